"""Sample data: as much as was asked for, the same for one seed, and found like everything else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from indexing import search, tql
from indexing.handlers.reindex import Reindex
from indexing.models import Document
from tests.support import factories
from tests.support.projects import ProjectFactory
from tests.support.rows import all_rows
from tickets import removal, visibility
from tickets.handlers import generate_test_project
from tickets.handlers.generate_test_project import GenerateTestProject
from tickets.models import (
    AgileRun,
    AgileRunStep,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Incident,
    IncidentPick,
    Project,
    ResultNode,
    ResultNodeIncident,
    Script,
    ScriptRun,
)

pytestmark = pytest.mark.django_db

SMALL: dict[str, Any] = {
    "Packages": 6,
    "AutomatedTests": 4,
    "RunsPerTest": 2,
    "ResultsPerRun": 60,
    "Scripts": 3,
    "AgileRuns": 3,
    "Incidents": 2,
}


@pytest.fixture
def actor() -> Actor:
    return factories.actor()


def generated(actor: Actor, run_id: uuid.UUID | None = None, **parameters: Any) -> Performed:
    return perform(
        GenerateTestProject,
        {**SMALL, **parameters},
        user=actor.user,
        account_id=actor.account.pk,
        run_id=run_id,
    )


def rows_of_projects() -> dict[str, list[tuple[object, ...]]]:
    """Return every row that was generated; when its project was made is another each time."""
    moment = "2026-01-01T00:00:00Z"
    Project.objects.update(created_at=moment, updated_at=moment)
    return {table: rows for table, rows in all_rows().items() if table.startswith("tickets_")}


def texts_of_projects() -> list[list[tuple[object, ...]]]:
    """Return what the rows say, without ids."""
    return [
        sorted(rows.values_list(*columns))
        for rows, columns in (
            (ResultNode.objects, ("name", "class_name", "status", "duration_seconds")),
            (AutomatedTestRun.objects, ("status", "started_at", "imported_at", "total_nodes")),
            (AutomatedTest.objects, ("name", "type", "package__name")),
            (AgileRunStep.objects, ("run__name", "position", "description", "result")),
            (Incident.objects, ("number", "summary", "status__name", "node_links__node__name")),
        )
    ]


class TestGenerateTestProject:
    def test_makes_as_much_as_was_asked_for(self, actor: Actor) -> None:
        run = generated(actor, Name="Shop", Seed=3)

        project = Project.objects.get()
        assert run.state == State.SUCCEEDED
        assert (project.name, project.manager) == ("Shop", actor.user)
        assert run.result["ProjectId"] == str(project.pk)
        rows = removal.count(Project.objects.all()) - ResultNodeIncident.objects.count()
        assert run.result["Entities"] == rows
        assert run.progress == (rows, rows, "Generating sample data")
        counts = [
            model._base_manager.count()
            for model in (ExecutionPackage, AutomatedTest, AutomatedTestAssignment)
        ]
        assert counts == [6, 4, 4]
        assert AutomatedTestRun.objects.shown().count() == 8
        assert ResultNode.objects.filter(is_case=True).count() == 8 * 60
        assert (Script.objects.count(), ScriptRun.objects.count()) == (3, 3)
        assert (AgileRun.objects.count(), Incident.objects.count()) == (3, 2)
        assert visibility.visible_projects(actor.account.pk).get() == project
        picked = IncidentPick.objects.values_list("picked_as", "item__picklist", "item__name")
        assert set(picked) == {
            ("AffectedVersion", "Version", "1.0"),
            ("AffectedVersion", "Version", "1.1"),
            ("FixedVersion", "Version", "1.1"),
            ("Component", "Component", "Checkout"),
            ("Component", "Component", "Basket"),
        }

    def test_its_totals_are_those_of_its_nodes(self, actor: Actor) -> None:
        generated(actor)

        for run in AutomatedTestRun.objects.all():
            cases = run.nodes.filter(is_case=True)
            assert run.total_results == cases.count()
            assert run.total_nodes == run.nodes.count()
            assert run.failed == cases.filter(status="Failed").count()
            assert run.passed == cases.filter(status="Passed").count()
            assert run.started_at is not None
            assert run.finished_at is not None
            assert run.started_at < run.finished_at

    def test_the_same_seed_gives_the_same_data(self, actor: Actor) -> None:
        found = []
        for seed in (1, 1, 2):
            generated(actor, Seed=seed)
            found.append(texts_of_projects())
            Project.objects.all().delete()

        assert found[0] == found[1]
        assert all(one != other for one, other in zip(found[0][:-1], found[2], strict=False))

    def test_is_found_as_a_rebuild_would_find_it(self, actor: Actor) -> None:
        generated(actor, Name="Shop")
        before = all_rows()

        run = perform(Reindex, {}, account_id=actor.account.pk)

        after = all_rows()
        assert run.result["Documents"] == len(before["indexing_document"]) > 20
        for table in ("indexing_document", "indexing_relationship"):
            assert after[table] == before[table]

    def test_nobody_sees_it_before_it_is_complete(
        self, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tickets.samples.rows.MOST_ROWS", 50)

        run = perform(GenerateTestProject, SMALL, account_id=actor.account.pk, stop_after=4)

        assert run.state == State.QUEUED
        assert ResultNode.objects.exists()
        assert not visibility.visible_projects(actor.account.pk).exists()
        assert not search.find(actor.account.pk, tql.parse("Name ~ 'refund'")).exists()

    @pytest.mark.parametrize("passed", [1, 3, 9])
    def test_goes_on_where_it_was_stopped_with_the_same_data(
        self, actor: Actor, monkeypatch: pytest.MonkeyPatch, passed: int
    ) -> None:
        run_id = uuid.uuid4()
        generated(actor, run_id, Name="A")
        whole = rows_of_projects()
        Project.objects.all().delete()
        monkeypatch.setattr("tickets.samples.rows.MOST_ROWS", 50)
        values: dict[str, Any] = {
            "user": actor.user,
            "account_id": actor.account.pk,
            "run_id": run_id,
        }
        parameters = {**SMALL, "Name": "A"}

        first = perform(GenerateTestProject, parameters, pause_after=passed, **values)
        assert first.state == State.PAUSED
        second = perform(GenerateTestProject, parameters, attempt=2, memory=first.memory, **values)

        assert second.state == State.SUCCEEDED
        assert rows_of_projects() == whole
        third = perform(GenerateTestProject, parameters, attempt=3, memory=second.memory, **values)
        assert third.result["ProjectId"] == str(run_id)

    @pytest.mark.parametrize("passed", [0, 4])
    def test_leaves_nothing_when_it_is_cancelled(
        self, actor: Actor, monkeypatch: pytest.MonkeyPatch, passed: int
    ) -> None:
        monkeypatch.setattr("tickets.samples.rows.MOST_ROWS", 50)

        run = perform(GenerateTestProject, SMALL, account_id=actor.account.pk, cancel_after=passed)

        assert run.state == State.CANCELLED
        assert not Project.objects.exists()
        assert not AgileRunStep.objects.exists()
        assert not Document.objects.exists()

    def test_fails_and_leaves_nothing_when_its_name_is_taken_meanwhile(
        self, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        true_fill = generate_test_project._fill

        def fill(*arguments: Any) -> None:
            true_fill(*arguments)
            ProjectFactory.create(account=actor.account, name="shop")

        monkeypatch.setattr(generate_test_project, "_fill", fill)

        run = generated(actor, Name="Shop")

        assert run.state == State.FAILED
        assert run.error == "A project named 'Shop' exists already."
        assert Project.objects.get().name == "shop"
        assert not ResultNode.objects.exists()

    def test_clears_away_what_an_earlier_one_left(self, actor: Actor) -> None:
        ProjectFactory.create(account=actor.account, is_complete=False, hidden_by=uuid.uuid4())

        run = generated(actor)

        assert str(Project.objects.get().pk) == run.result["ProjectId"]

    def test_makes_a_project_of_nothing_but_a_package(self, actor: Actor) -> None:
        run = generated(actor, **dict.fromkeys(SMALL, 0) | {"Packages": 1})

        assert run.state == State.SUCCEEDED
        assert ExecutionPackage.objects.get().name == "Checkout"

    def test_links_incidents_with_steps_where_there_are_no_runs(self, actor: Actor) -> None:
        run = generated(actor, AutomatedTests=0, AgileRuns=40, Incidents=40)

        assert run.state == State.SUCCEEDED
        linked = AgileRunStep.objects.filter(incident_links__isnull=False)
        assert linked.exists()
        assert set(linked.values_list("result", flat=True)) == {"Failed"}
