"""What of test results can be searched for: `/api/search` finds it by any word of its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from indexing import documents
from tickets import custom_fields, visibility
from tickets.api import expansions, lookup, representations
from tickets.api.incidents import bodies as incidents
from tickets.api.manual import bodies as manual
from tickets.incidents import picked
from tickets.models import (
    AgileRun,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    ExternalTicket,
    Incident,
    PickedAs,
    Project,
    ResultNode,
    Script,
    ScriptAssignment,
    ScriptRun,
    Stage,
)

if TYPE_CHECKING:
    from django.http import HttpRequest


class _Entities(documents.DocumentSource):
    """Entities that are shown as their resource shows them."""

    #: Returns what an actor may see: of `lookup`.
    visible: ClassVar[staticmethod[[Any], QuerySet[Any]]]
    #: Returns the JSON of rows, in their order.
    bodies: ClassVar[staticmethod[[Any, Any], list[dict[str, Any]]]]

    def represent(
        self, request: HttpRequest, ids: Collection[UUID]
    ) -> Mapping[UUID, dict[str, Any]]:
        """Return them as their resource does."""
        rows = list(self.visible(lookup.actor(request)).filter(pk__in=ids))
        return {row.pk: body for row, body in zip(rows, self.bodies(request, rows), strict=True)}


class Projects(_Entities):
    """Projects, by name and description."""

    entity_type = "Project"
    model = Project
    project = "pk"
    texts = ("description",)
    visible = staticmethod(lookup.projects)
    bodies = staticmethod(expansions.projects)

    def hidden(self) -> QuerySet[Any, UUID]:
        """Return the projects that are being removed or filled."""
        return visibility.hidden_projects()


class ExecutionPackages(_Entities):
    """Execution packages, by name."""

    entity_type = "ExecutionPackage"
    aliases = ("TestExecutionPackage",)
    model = ExecutionPackage
    fields = {"Package": documents.reference("parent_id", to="ExecutionPackage")}
    relationships = (documents.Relation("Package", "parent_id"),)
    visible = staticmethod(lookup.packages)
    bodies = staticmethod(expansions.packages)


class AutomatedTests(_Entities):
    """Automated tests, by name."""

    entity_type = "AutomatedTest"
    model = AutomatedTest
    fields = {
        "Package": documents.reference("package_id", to="ExecutionPackage"),
        "Type": documents.text("type"),
    }
    relationships = (documents.Relation("Package", "package_id"),)
    visible = staticmethod(lookup.automated_tests)
    bodies = staticmethod(expansions.automated_tests)


_LAST_RUN = (
    AutomatedTestRun.objects.shown().filter(assignment=OuterRef("pk")).order_by("-imported_at")
)


class Assignments(_Entities):
    """Assignments, by the name of their test."""

    entity_type = "AutomatedTestAssignment"
    model = AutomatedTestAssignment
    project = "package__project_id"
    name = "automated_test__name"
    fields = {
        "Package": documents.reference("package_id", to="ExecutionPackage"),
        "Test": documents.reference("automated_test_id", to="AutomatedTest"),
        "TestId": documents.reference("automated_test_id", to="AutomatedTest"),
        "Status": documents.text(
            Coalesce(Subquery(_LAST_RUN.values("status")[:1]), Value(representations.NOT_RUN))
        ),
    }
    relationships = (
        documents.Relation("Package", "package_id"),
        documents.Relation("AutomatedTest", "automated_test_id"),
    )
    visible = staticmethod(lookup.assignments)
    bodies = staticmethod(expansions.assignments)


class Runs(_Entities):
    """Runs that are shown, by the name of their test."""

    entity_type = "AutomatedTestRun"
    model = AutomatedTestRun
    project = "assignment__package__project_id"
    name = "assignment__automated_test__name"
    updated_at = "imported_at"
    fields = {
        "Package": documents.reference("assignment__package_id", to="ExecutionPackage"),
        "Assignment": documents.reference("assignment_id", to="AutomatedTestAssignment"),
        "Status": documents.text("status"),
    }
    relationships = (documents.Relation("AutomatedTestAssignment", "assignment_id"),)

    visible = staticmethod(lookup.runs)
    bodies = staticmethod(expansions.runs)

    def queryset(self) -> QuerySet[Any]:
        """Return the runs that are shown."""
        return AutomatedTestRun.objects.shown()


class Nodes(documents.DocumentSource):
    """
    Result nodes of runs that are shown, by name, class and what they say.

    Those that need somebody's attention: failed, with an error, or passed only after a flaky
    failure. The rest are thousands for each of these, and nobody searches for them.
    """

    entity_type = "ResultNode"
    aliases = ("TestResult",)
    model = ResultNode
    account = "run__account_id"
    project = "run__assignment__package__project_id"
    updated_at = "run__imported_at"
    texts = ("class_name", "description", "notes")
    fields = {
        "Status": documents.text("status"),
        "Run": documents.reference("run_id", to="AutomatedTestRun"),
        "Assignment": documents.reference("run__assignment_id", to="AutomatedTestAssignment"),
    }
    relationships = (documents.Relation("AutomatedTestRun", "run_id"),)

    def queryset(self) -> QuerySet[Any]:
        """Return the nodes of shown runs that need attention."""
        return ResultNode.objects.filter(needs_attention=True, run__stage=Stage.SHOWN)

    def represent(
        self, request: HttpRequest, ids: Collection[UUID]
    ) -> Mapping[UUID, dict[str, Any]]:
        """Return nodes as their resource does."""
        nodes = lookup.marked(
            ResultNode.objects.filter(
                pk__in=ids, run__in=lookup.visible_runs(lookup.actor(request)).values("pk")
            )
        )
        return {row.pk: representations.node(request, row, frozenset()) for row in nodes}


class Scripts(_Entities):
    """Scripts, by name and description."""

    entity_type = "TestScript"
    aliases = ("Script",)
    model = Script
    texts = ("description",)
    visible = staticmethod(lookup.scripts)
    bodies = staticmethod(manual.scripts)


_LAST_SCRIPT_RUN = ScriptRun.objects.filter(assignment=OuterRef("pk")).order_by("-created_at")


class ScriptAssignments(_Entities):
    """Script assignments, by the name of their script."""

    entity_type = "TestScriptAssignment"
    aliases = ("ScriptAssignment",)
    model = ScriptAssignment
    project = "script__project_id"
    name = "script__name"
    fields = {
        "Package": documents.reference("package_id", to="ExecutionPackage"),
        "Script": documents.reference("script_id", to="TestScript"),
        "ScriptId": documents.reference("script_id", to="TestScript"),
        "Status": documents.text(
            Coalesce(
                Subquery(_LAST_SCRIPT_RUN.values("status")[:1]), Value(representations.NOT_RUN)
            )
        ),
    }
    relationships = (
        documents.Relation("Package", "package_id"),
        documents.Relation("TestScript", "script_id"),
    )
    visible = staticmethod(lookup.script_assignments)
    bodies = staticmethod(manual.assignments)


class ScriptRuns(_Entities):
    """Runs of scripts, by the name of their script."""

    entity_type = "ScriptRun"
    model = ScriptRun
    values = "field_values"
    project = "assignment__script__project_id"
    name = "assignment__script__name"
    fields = {
        "Package": documents.reference("assignment__package_id", to="ExecutionPackage"),
        "Script": documents.reference("assignment__script_id", to="TestScript"),
        "ScriptAssignment": documents.reference("assignment_id", to="TestScriptAssignment"),
        "Status": documents.text("status"),
        "Completed": documents.flag("completed"),
    }
    relationships = (documents.Relation("TestScriptAssignment", "assignment_id"),)
    visible = staticmethod(lookup.script_runs)
    bodies = staticmethod(manual.runs)


class AgileRuns(_Entities):
    """Agile runs, by name, description and notes."""

    entity_type = "AgileRun"
    model = AgileRun
    values = "field_values"
    texts = ("description", "notes", "objective")
    fields = {
        "Package": documents.reference("package_id", to="ExecutionPackage"),
        "Number": documents.number("number"),
        "Status": documents.text("execution_status"),
        "Type": documents.text("type__name"),
        "Priority": documents.text("priority__name"),
        "AssignedTo": documents.text("assigned_to__username"),
    }
    relationships = (documents.Relation("Package", "package_id"),)
    visible = staticmethod(lookup.agile_runs)
    bodies = staticmethod(manual.agile_runs)


_FIRST_KEY = (
    ExternalTicket.objects.filter(incident=OuterRef("pk")).order_by("created_at").values("key")[:1]
)


class Incidents(_Entities):
    """Incidents, by summary, description and the key of their ticket; related to what found them."""

    entity_type = "Incident"
    model = Incident
    values = "field_values"
    name = "summary"
    texts = ("description", Coalesce(Subquery(_FIRST_KEY), Value("")))
    fields = {
        "Number": documents.number("number"),
        "Status": documents.text("status__name"),
        "Type": documents.text("type__name"),
        "Priority": documents.text("priority__name"),
        "Resolution": documents.text("resolution__name"),
        "AssignedTo": documents.text("assigned_to__username"),
        "Key": documents.text(Subquery(_FIRST_KEY)),
        "AffectedVersions": documents.texts(picked(PickedAs.AFFECTED_VERSION)),
        "FixedVersions": documents.texts(picked(PickedAs.FIXED_VERSION)),
        "Components": documents.texts(picked(PickedAs.COMPONENT)),
    }
    relationships = (
        documents.Relation("ScriptRun", "step_result_links__step_result__run_id"),
        documents.Relation("AgileRun", "agile_step_links__step__run_id"),
        documents.Relation("AutomatedTestRun", "node_links__run_id"),
        documents.Relation("ResultNode", "node_links__node_id"),
    )
    visible = staticmethod(lookup.incidents)
    bodies = staticmethod(incidents.incidents)


def register() -> None:
    """Tell the search index of all of them."""
    documents.register_values(custom_fields.searched)
    for source in (
        Projects(),
        ExecutionPackages(),
        AutomatedTests(),
        Assignments(),
        Runs(),
        Nodes(),
        Scripts(),
        ScriptAssignments(),
        ScriptRuns(),
        AgileRuns(),
        Incidents(),
    ):
        documents.register(source)
