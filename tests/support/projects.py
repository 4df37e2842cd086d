"""Factories for what `tickets` stores."""

import json
import uuid
from typing import Any

import factory

from backgroundtasks import clock
from tests.support.factories import AccountFactory
from tests.support.http import Caller
from tickets.models import (
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Project,
    ResultNode,
    Stage,
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


def send(caller: Caller, method: str, path: str, body: Any) -> Any:
    """Call with a JSON body by a method of one's choice."""
    return caller._client.generic(
        method, path, json.dumps(body), content_type="application/json", headers=caller.headers
    )
