"""Factories for what `tickets` stores."""

import json
import uuid
from typing import Any

import factory

from backgroundtasks import clock
from tests.support.factories import AccountFactory
from tests.support.http import Caller
from tickets.models import (
    AgileRun,
    AgileRunStep,
    Attachment,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    CustomField,
    ExecutionPackage,
    ExternalSystem,
    ExternalSystemLink,
    ExternalTicket,
    FieldKind,
    FieldOf,
    Incident,
    IncidentPick,
    Picklist,
    PicklistItem,
    Project,
    ResultNode,
    Script,
    ScriptAssignment,
    ScriptRun,
    Stage,
    StepResult,
)


class ProjectFactory(factory.django.DjangoModelFactory[Project]):
    """A project, in a new account unless one is given."""

    class Meta:
        model = Project

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence("Project {}".format)


class PackageFactory(factory.django.DjangoModelFactory[ExecutionPackage]):
    """A package at the root of its project."""

    class Meta:
        model = ExecutionPackage

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    name = factory.Sequence("Package {}".format)


class AutomatedTestFactory(factory.django.DjangoModelFactory[AutomatedTest]):
    """An automated test of JUnit reports."""

    class Meta:
        model = AutomatedTest

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    name = factory.Sequence("Automated test {}".format)
    configuration = factory.LazyFunction(lambda: {"Type": "JUnit"})


class AssignmentFactory(factory.django.DjangoModelFactory[AutomatedTestAssignment]):
    """An assignment; its package and test are of one project."""

    class Meta:
        model = AutomatedTestAssignment

    automated_test = factory.SubFactory(AutomatedTestFactory)
    account = factory.SelfAttribute("automated_test.account")
    package = factory.SubFactory(
        PackageFactory, project=factory.SelfAttribute("..automated_test.project")
    )


class RunFactory(factory.django.DjangoModelFactory[AutomatedTestRun]):
    """A shown run with one passed case in its totals, and no nodes."""

    class Meta:
        model = AutomatedTestRun

    assignment = factory.SubFactory(AssignmentFactory)
    account = factory.SelfAttribute("assignment.account")
    import_id = factory.LazyFunction(uuid.uuid4)
    stage = Stage.SHOWN
    status = "Passed"
    passed = 1
    total_results = 1
    total_nodes = 1
    imported_at = factory.LazyFunction(clock.now)


class NodeFactory(factory.django.DjangoModelFactory[ResultNode]):
    """A passed case at the root of its run."""

    class Meta:
        model = ResultNode

    run = factory.SubFactory(RunFactory)
    #: As an import makes them: ids of one run sort by position.
    id = factory.LazyAttribute(lambda o: uuid.UUID(f"{o.run.pk.hex[:24]}{o.position:08x}"))
    position = factory.Sequence(int)
    is_case = True
    name = factory.Sequence("case_{}".format)
    status = "Passed"


class ScriptFactory(factory.django.DjangoModelFactory[Script]):
    """A script of two steps."""

    class Meta:
        model = Script

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    name = factory.Sequence("Script {}".format)
    steps = factory.LazyFunction(
        lambda: [
            {"description": text, "data": None, "notes": None, "expected_result": f"It {text}s"}
            for text in ("open", "close")
        ]
    )


class ScriptAssignmentFactory(factory.django.DjangoModelFactory[ScriptAssignment]):
    """An assignment; its package and script are of one project."""

    class Meta:
        model = ScriptAssignment

    script = factory.SubFactory(ScriptFactory)
    account = factory.SelfAttribute("script.account")
    package = factory.SubFactory(PackageFactory, project=factory.SelfAttribute("..script.project"))


class ScriptRunFactory(factory.django.DjangoModelFactory[ScriptRun]):
    """A run without steps, under way."""

    class Meta:
        model = ScriptRun

    assignment = factory.SubFactory(ScriptAssignmentFactory)
    account = factory.SelfAttribute("assignment.account")


class StepResultFactory(factory.django.DjangoModelFactory[StepResult]):
    """A step that was not run yet."""

    class Meta:
        model = StepResult

    run = factory.SubFactory(ScriptRunFactory)
    position = factory.Sequence(int)
    description = "Open the door"


class AgileRunFactory(factory.django.DjangoModelFactory[AgileRun]):
    """An agile run without steps."""

    class Meta:
        model = AgileRun

    package = factory.SubFactory(PackageFactory)
    project = factory.SelfAttribute("package.project")
    account = factory.SelfAttribute("package.account")
    number = factory.Sequence(lambda n: n + 1)
    name = factory.Sequence("Agile run {}".format)


class AgileRunStepFactory(factory.django.DjangoModelFactory[AgileRunStep]):
    """A step that was not run yet."""

    class Meta:
        model = AgileRunStep

    run = factory.SubFactory(AgileRunFactory)
    position = factory.Sequence(int)
    description = "Look around"


class IncidentFactory(factory.django.DjangoModelFactory[Incident]):
    """An incident that no tracker knows."""

    class Meta:
        model = Incident

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    number = factory.Sequence(lambda n: n + 1)
    summary = factory.Sequence("Incident {}".format)


class PicklistItemFactory(factory.django.DjangoModelFactory[PicklistItem]):
    """A component that somebody added."""

    class Meta:
        model = PicklistItem

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    picklist = Picklist.COMPONENT
    name = factory.Sequence("Word {}".format)
    order_number = factory.Sequence(int)


class CustomFieldFactory(factory.django.DjangoModelFactory[CustomField]):
    """A text that incidents of a project may have."""

    class Meta:
        model = CustomField

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    entity_type = FieldOf.INCIDENT
    name = factory.Sequence("Field{}".format)
    kind = FieldKind.TEXT


def pick(incident: Incident, word: PicklistItem, picked_as: str) -> None:
    """Let an incident pick a word."""
    IncidentPick.objects.create(incident=incident, item=word, picked_as=picked_as)


class AttachmentFactory(factory.django.DjangoModelFactory[Attachment]):
    """A row of an incident's attachment, without a content unless `tests.support.uploads` made one."""

    class Meta:
        model = Attachment

    incident = factory.SubFactory(IncidentFactory)
    project = factory.SelfAttribute("incident.project")
    account = factory.SelfAttribute("project.account")
    name = factory.Sequence("screen {}.png".format)
    content_type = "image/png"
    size = 3


class ExternalSystemFactory(factory.django.DjangoModelFactory[ExternalSystem]):
    """The built-in tracker."""

    class Meta:
        model = ExternalSystem

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence("Tracker {}".format)
    kind = "builtin"


class ExternalSystemLinkFactory(factory.django.DjangoModelFactory[ExternalSystemLink]):
    """A defect tracker of a project; both are of one account."""

    class Meta:
        model = ExternalSystemLink

    project = factory.SubFactory(ProjectFactory)
    account = factory.SelfAttribute("project.account")
    external_system = factory.SubFactory(
        ExternalSystemFactory, account=factory.SelfAttribute("..account")
    )
    name = factory.Sequence("Link {}".format)


class ExternalTicketFactory(factory.django.DjangoModelFactory[ExternalTicket]):
    """A ticket that an incident of its link's project is kept in step with."""

    class Meta:
        model = ExternalTicket

    link = factory.SubFactory(ExternalSystemLinkFactory)
    project = factory.SelfAttribute("link.project")
    account = factory.SelfAttribute("link.account")
    external_system = factory.SelfAttribute("link.external_system")
    incident = factory.SubFactory(IncidentFactory, project=factory.SelfAttribute("..project"))
    ticket_id = factory.Sequence(str)
    key = factory.LazyAttribute("TST-{0.ticket_id}".format)


def send(caller: Caller, method: str, path: str, body: Any) -> Any:
    """Call with a JSON body by a method of one's choice."""
    return caller._client.generic(
        method, path, json.dumps(body), content_type="application/json", headers=caller.headers
    )
