"""What an entity is related to, directly and over others (sections 3.3, 3.6 and 4)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers.testing import perform
from backgroundtasks.models import Account
from backgroundtasks.states import State
from indexing import graph
from indexing.handlers.reindex import Reindex
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunStepFactory,
    AssignmentFactory,
    IncidentFactory,
    NodeFactory,
    PackageFactory,
    PicklistItemFactory,
    ProjectFactory,
    RunFactory,
    ScriptAssignmentFactory,
    ScriptRunFactory,
    StepResultFactory,
)
from tickets import visibility
from tickets.models import (
    AgileRunStepIncident,
    Incident,
    Project,
    ResultNodeIncident,
    ScriptAssignment,
    StepResult,
    StepResultIncident,
)

pytestmark = pytest.mark.django_db

HOST = "http://testserver"


@pytest.fixture
def step(project: Project) -> StepResult:
    """A step of `Sign in`, whose assignment is in `Release 7 / Login`, with a failed run."""
    outer = PackageFactory.create(project=project, name="Release 7")
    inner = PackageFactory.create(project=project, name="Login", parent=outer)
    return StepResultFactory.create(
        run__status="Failed",
        run__assignment__script__project=project,
        run__assignment__script__name="Sign in",
        run__assignment__package=inner,
    )


@pytest.fixture
def assignment(step: StepResult) -> ScriptAssignment:
    return step.run.assignment


@pytest.fixture
def incident(caller: Caller, step: StepResult) -> Incident:
    """An incident that was found by the step, all of it indexed."""
    project = step.run.assignment.script.project
    high = PicklistItemFactory.create(project=project, picklist="Priority", name="High")
    row = IncidentFactory.create(
        project=project, summary="No answer", priority=high, assigned_to=caller.actor.user
    )
    StepResultIncident.objects.create(step_result=step, incident=row)
    perform(Reindex, {}, account_id=project.account_id)
    return row


def shape(node: Any) -> Any:
    """Return names with what is below them."""
    return {f"{one['EntityType']} {one['Name']}": shape(one) for one in node["Children"]} or None


def test_an_incident_leads_over_what_found_it_to_its_script_and_packages(
    caller: Caller, incident: Incident, step: StepResult
) -> None:
    found = body(caller.get(f"/api/incident/{incident.pk}/relationships"))

    [run] = found["Children"]
    children = run.pop("Children")
    assert {name: value for name, value in found.items() if name != "Children"} == {
        "EntityId": str(incident.pk),
        "Number": str(incident.number),
        "Name": "No answer",
        "EntityType": "Incident",
        "AssignedTo": caller.actor.user.username,
        "Status": None,
        "Priority": "High",
        "Type": None,
        "PackageId": None,
        "PackageName": None,
        "PackageEntityType": None,
        "PackagePath": None,
        "ParentId": None,
        "ParentPath": None,
        "ParentName": None,
        "RelationshipId": None,
        "RelationshipTypeKey": None,
        "RelationshipType": None,
        "Relation": None,
        "RelationshipDirection": None,
        "CanDelete": False,
        "CanEdit": False,
        "Truncated": False,
    }
    package = step.run.assignment.package
    assert run == {
        **dict.fromkeys(run),
        "EntityId": str(step.run_id),
        "Name": "Sign in",
        "EntityType": "ScriptRun",
        "Status": "Failed",
        "PackageId": str(package.pk),
        "PackageName": "Login",
        "PackageEntityType": "ExecutionPackage",
        "PackagePath": "/Release 7/Login",
        "RelationshipTypeKey": "ScriptRun",
        "RelationshipType": "ScriptRun",
        "Relation": "ScriptRun",
        "RelationshipDirection": "Source -> Destination",
        "CanDelete": False,
        "CanEdit": False,
    }
    assert shape({"Children": children}) == {
        "TestScriptAssignment Sign in": {
            "ExecutionPackage Login": {"ExecutionPackage Release 7": None},
            "TestScript Sign in": None,
        }
    }


def test_all_relationships_are_also_what_leads_there(
    caller: Caller, incident: Incident, assignment: ScriptAssignment
) -> None:
    path = f"/api/scriptassignment/{assignment.pk}"

    own = body(caller.get(f"{path}/relationships"))
    everything = body(caller.get(f"{path}/allrelationships"))

    onwards = {
        "ExecutionPackage Login": {"ExecutionPackage Release 7": None},
        "TestScript Sign in": None,
    }
    assert shape(own) == onwards
    assert shape(everything) == {**onwards, "ScriptRun Sign in": {"Incident No answer": None}}
    run = next(one for one in everything["Children"] if one["EntityType"] == "ScriptRun")
    assert run["RelationshipDirection"] == "Destination -> Source"
    assert run["RelationshipType"] == "TestScriptAssignment"


def test_links_lead_to_both(
    caller: Caller, incident: Incident, assignment: ScriptAssignment
) -> None:
    for path in (f"/api/incident/{incident.pk}", f"/api/scriptassignment/{assignment.pk}"):
        links = {one["Rel"]: one["Href"] for one in body(caller.get(path))["Links"]}

        assert links["Relationships"] == f"{HOST}{path}/relationships"
        assert links["AllRelationships"] == f"{HOST}{path}/allrelationships"


def test_every_kind_of_entity_has_both(caller: Caller, project: Project) -> None:
    agile = AgileRunStepFactory.create(run__package__project=project).run
    assigned = ScriptAssignmentFactory.create(script__project=project)
    node = NodeFactory.create(
        run__assignment__automated_test__project=project, needs_attention=True
    )
    incident = IncidentFactory.create(project=project)
    ResultNodeIncident.objects.create(run=node.run, node=node, incident=incident)
    perform(Reindex, {}, account_id=project.account_id)
    automated = node.run.assignment
    paths = {
        f"/api/agilerun/{agile.pk}": (1, 1),
        f"/api/script/{assigned.script_id}": (0, 1),
        f"/api/scriptassignment/{assigned.pk}": (2, 2),
        # Its runs, and what leads to them, hang below the assignment.
        f"/api/automatedtest/{automated.automated_test_id}": (0, 1),
        f"/api/automatedtestassignment/{automated.pk}": (2, 3),
        f"/api/incident/{incident.pk}": (2, 2),
    }

    for path, counts in paths.items():
        several = [
            len(body(caller.get(f"{path}/{name}"))["Children"])
            for name in ("relationships", "allrelationships")
        ]
        assert tuple(several) == counts, path


def test_an_entity_is_shown_once_where_it_is_nearest(caller: Caller, project: Project) -> None:
    node = NodeFactory.create(
        run__assignment__automated_test__project=project, needs_attention=True
    )
    incident = IncidentFactory.create(project=project)
    ResultNodeIncident.objects.create(run=node.run, node=node, incident=incident)
    perform(Reindex, {}, account_id=project.account_id)

    found = body(caller.get(f"/api/incident/{incident.pk}/relationships"))

    kinds = {
        one["EntityType"]: [each["EntityType"] for each in one["Children"]]
        for one in found["Children"]
    }
    assert kinds == {"AutomatedTestRun": ["AutomatedTestAssignment"], "ResultNode": []}


def test_queries_are_as_many_for_many_as_for_few(
    caller: Caller,
    project: Project,
    incident: Incident,
    assignment: ScriptAssignment,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    path = f"/api/scriptassignment/{assignment.pk}/allrelationships"
    caller.get(path)
    with CaptureQueriesContext(connection) as few:
        caller.get(path)
    for run in ScriptRunFactory.create_batch(4, assignment=assignment, completed=True):
        other = StepResultFactory.create(run=run)
        for found in IncidentFactory.create_batch(3, project=project):
            StepResultIncident.objects.create(step_result=other, incident=found)
    perform(Reindex, {}, account_id=project.account_id)

    with django_assert_num_queries(len(few)):
        everything = body(caller.get(path))

    assert len(everything["Children"]) == 2 + 5
    assert len(few) < 25


def test_more_than_a_tree_may_hold_is_cut_and_said(
    caller: Caller, assignment: ScriptAssignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    ScriptRunFactory.create_batch(3, assignment=assignment, completed=True)
    perform(Reindex, {}, account_id=assignment.account_id)
    path = f"/api/scriptassignment/{assignment.pk}/allrelationships"
    whole = body(caller.get(path))

    monkeypatch.setattr(graph, "MOST", 7)
    enough = body(caller.get(path))
    monkeypatch.setattr(graph, "MOST", 5)
    cut = body(caller.get(path))

    # Two packages, a script and four runs.
    assert whole["Truncated"] is False
    assert enough == whole
    assert cut["Truncated"] is True
    assert len(cut["Children"]) == len(whole["Children"]) - 2


def test_nobody_sees_what_is_anothers_or_hidden(
    caller: Caller, incident: Incident, project: Project
) -> None:
    path = f"/api/incident/{incident.pk}/relationships"

    assert message(Caller().get(path), 404) == f"The incident {incident.pk} does not exist."
    assert message(caller.get(f"/api/incident/{uuid.UUID(int=7)}/allrelationships"), 404)
    viewer = Caller(factories.actor(role="viewer", account=project.account))
    assert shape(body(viewer.get(path)))
    run = factories.run(State.RUNNING, owner=caller.actor)
    visibility.hide(Project.objects.filter(pk=project.pk), run.pk)
    assert message(caller.get(path), 404)


def test_what_leads_to_a_hidden_project_is_left_out(
    caller: Caller, project: Project, account: Account
) -> None:
    """Links lead within a project; a row that does not is left out, not shown."""
    other = ProjectFactory.create(account=account)
    step = AgileRunStepFactory.create(run__package__project=other)
    incident = IncidentFactory.create(project=project)
    AgileRunStepIncident.objects.create(step=step, incident=incident)
    perform(Reindex, {}, account_id=account.pk)
    path = f"/api/incident/{incident.pk}/relationships"
    before = shape(body(caller.get(path)))

    run = factories.run(State.RUNNING, owner=caller.actor)
    visibility.hide(Project.objects.filter(pk=other.pk), run.pk)

    assert before is not None
    assert shape(body(caller.get(path))) is None


def test_the_types_of_entities_are_found_by_an_index(account: Account) -> None:
    assignment = AssignmentFactory.create(automated_test__project__account=account)
    RunFactory.create_batch(3, assignment=assignment)
    perform(Reindex, {}, account_id=account.pk)
    with CaptureQueriesContext(connection) as asked:
        graph._types(account.pk, [uuid.uuid4(), uuid.uuid4()])

    [query] = [one["sql"] for one in asked if "indexing_document" in one["sql"]]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
        assert "entity_type=? AND entity_id=?" in plan
