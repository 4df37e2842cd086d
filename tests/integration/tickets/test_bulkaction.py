"""Many entities are copied, moved, deleted and exported, however often a run is stopped."""

from __future__ import annotations

import csv
import io
import uuid
from pathlib import Path
from typing import Any

import pytest

from backgroundtasks import clock
from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from indexing import documents, search, sources, tql
from indexing.handlers.reindex import Reindex
from indexing.models import Document
from tests.support import factories
from tests.support.projects import (
    AgileRunFactory,
    AgileRunStepFactory,
    AssignmentFactory,
    AutomatedTestFactory,
    IncidentFactory,
    NodeFactory,
    PackageFactory,
    PicklistItemFactory,
    ProjectFactory,
    RunFactory,
    pick,
)
from tests.support.rows import all_rows
from tests.support.uploads import files_in
from tickets import uploads
from tickets.bulk import export, folders
from tickets.bulk.kinds import KINDS
from tickets.handlers import bulkaction
from tickets.handlers.bulkaction import BulkAction
from tickets.models import (
    AgileRun,
    AgileRunStep,
    AutomatedTest,
    AutomatedTestAssignment,
    ExecutionPackage,
    Incident,
    Project,
    ResultNode,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]


class Shop:
    """A project: package Source with Inner in it, package Target, tests with assignments in both."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.project = ProjectFactory.create(account=actor.account, name="Shop")
        self.source = self.package("Source")
        self.inner = self.package("Inner", self.source)
        self.target = self.package("Target")
        self.tests = [self.test(f"test {number}", self.inner) for number in range(3)]
        self.assignments = [
            AssignmentFactory.create(automated_test=test, package=place)
            for test, place in zip(self.tests, (self.source, self.inner, self.inner), strict=True)
        ]
        self.agile = AgileRunFactory.create(package=self.inner, number=7, name="explore")
        AgileRunStepFactory.create(run=self.agile, result="Failed", description="Look")
        self.index()

    def package(self, name: str, parent: ExecutionPackage | None = None) -> ExecutionPackage:
        return PackageFactory.create(project=self.project, name=name, parent=parent)

    def test(self, name: str, package: ExecutionPackage | None = None) -> AutomatedTest:
        return AutomatedTestFactory.create(project=self.project, name=name, package=package)

    def index(self) -> None:
        for model in (Project, ExecutionPackage, AutomatedTest, AutomatedTestAssignment, AgileRun):
            if documents.knows(model):
                documents.index(model, model._base_manager.values_list("pk", flat=True))

    def act(self, command: str, *selected: Any, **parameters: Any) -> Performed:
        """Perform one attempt; selected are rows."""
        run = {name: parameters.pop(name) for name in list(parameters) if name in PLAYED}
        if selected:
            parameters["selections"] = [
                {"Id": str(row.pk), "Type": KINDS[type(row)].names[0]} for row in selected
            ]
        if command in {"BulkCopy", "BulkMove"}:
            parameters.setdefault("targetPackageId", str(self.target.pk))
        return perform(
            BulkAction,
            {"commandName": command, **parameters},
            user=self.actor.user,
            account_id=self.actor.account.pk,
            **run,
        )

    def tree(self) -> dict[str, list[str]]:
        """Return what is in each package, by its way."""
        packages = {row.pk: row for row in ExecutionPackage.objects.filter(project=self.project)}

        def way(row: ExecutionPackage) -> str:
            parent = packages.get(row.parent_id)  # type: ignore[arg-type]
            return f"{way(parent)}/{row.name}" if parent else row.name

        found: dict[str, list[str]] = {way(row): [] for row in packages.values()}
        for test in AutomatedTestAssignment.objects.select_related("automated_test"):
            found[way(packages[test.package_id])].append(test.automated_test.name)
        for run in AgileRun.objects.all():
            found[way(packages[run.package_id])].append(run.name)
        return {name: sorted(inner) for name, inner in sorted(found.items())}


PLAYED = ("stop_after", "cancel_after", "pause_after", "memory", "attempt", "run_id")


@pytest.fixture
def shop() -> Shop:
    return Shop(factories.actor())


@pytest.fixture(autouse=True)
def index_is_right(shop: Shop) -> Any:
    """After each test, a rebuild finds nothing to do."""
    yield
    before = all_rows()
    run = perform(Reindex, {}, account_id=shop.actor.account.pk)
    assert run.state == State.SUCCEEDED
    after = all_rows()
    for table in ("indexing_document", "indexing_relationship"):
        assert after[table] == before[table], table


BEFORE = {
    "Source": ["test 0"],
    "Source/Inner": ["explore", "test 1", "test 2"],
    "Target": [],
}


class TestCopy:
    def test_puts_copies_into_the_target(self, shop: Shop) -> None:
        run = shop.act("BulkCopy", *shop.assignments, shop.agile)

        assert (run.state, run.result, run.warnings) == (State.SUCCEEDED, {"Done": 4}, [])
        assert run.progress == (4, 4, "Copying")
        assert shop.tree() == {**BEFORE, "Target": ["explore", "test 0", "test 1", "test 2"]}

    def test_makes_the_folders_again_where_that_is_asked_for(self, shop: Shop) -> None:
        run = shop.act(
            "BulkCopy",
            *shop.assignments,
            retainStructure=True,
            sourcePackageId=str(shop.source.pk),
        )

        assert run.result == {"Done": 3}
        assert shop.tree() == {
            **BEFORE,
            "Target": ["test 0"],
            "Target/Inner": ["test 1", "test 2"],
        }

    def test_uses_a_folder_of_that_name_that_is_there(self, shop: Shop) -> None:
        there = shop.package("INNER", shop.target)
        shop.index()

        shop.act(
            "BulkCopy",
            shop.assignments[1],
            retainStructure=True,
            sourcePackageId=str(shop.source.pk),
        )

        assert AutomatedTestAssignment.objects.filter(package=there).count() == 1

    def test_takes_a_package_with_what_is_in_it_once(self, shop: Shop) -> None:
        run = shop.act("BulkCopy", shop.assignments[1], shop.inner, shop.source)

        assert run.state == State.SUCCEEDED
        assert shop.tree() == {
            **BEFORE,
            "Target/Source": ["test 0"],
            "Target/Source/Inner": ["explore", "test 1", "test 2"],
        }

    def test_copies_no_results(self, shop: Shop) -> None:
        shop.act("BulkCopy", shop.agile)

        copy = AgileRun.objects.exclude(pk=shop.agile.pk).get()
        assert (copy.number, copy.execution_status, copy.name) == (8, "Not Run", "explore")
        step = AgileRunStep.objects.get(run=copy)
        assert (step.description, step.result) == ("Look", "NotRun")

    def test_into_the_same_package_says_so_in_the_name(self, shop: Shop) -> None:
        run = shop.act("BulkCopy", shop.tests[0], shop.inner, targetPackageId=str(shop.source.pk))

        assert run.result["Done"] == 2 + 3  # with what is in the package
        names = set(
            ExecutionPackage.objects.filter(parent=shop.source).values_list("name", flat=True)
        )
        assert names == {"Inner", "Copy of Inner"}
        assert AutomatedTest.objects.get(package=shop.source).name == "test 0"

    def test_of_a_test_may_go_into_another_project_and_all_else_may_not(self, shop: Shop) -> None:
        other = PackageFactory.create(project__account=shop.actor.account)
        shop.index()

        run = shop.act(
            "BulkCopy", shop.tests[0], shop.assignments[0], targetPackageId=str(other.pk)
        )

        assert run.state == State.WARNED
        assert run.warnings == ["1 of 2 were not copied: they are of another project."]
        assert AutomatedTest.objects.get(package=other).project == other.project

    def test_may_not_nest_too_deep(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "DEEPEST", 2)
        monkeypatch.setattr("tickets.bulk.placing.DEEPEST", 2)

        run = shop.act("BulkCopy", shop.source)

        # Source fits; Inner and the three in it do not.
        assert run.state == State.WARNED
        assert run.result == {"Done": 2}
        assert shop.tree() == {**BEFORE, "Target/Source": ["test 0"]}


class TestMove:
    def test_puts_entities_into_the_target(self, shop: Shop) -> None:
        run = shop.act("BulkMove", *shop.assignments, shop.agile, shop.tests[0])

        assert (run.state, run.result) == (State.SUCCEEDED, {"Done": 5})
        assert shop.tree() == {
            "Source": [],
            "Source/Inner": [],
            "Target": ["explore", "test 0", "test 1", "test 2"],
        }
        shop.tests[0].refresh_from_db()
        assert shop.tests[0].package == shop.target

    def test_takes_a_package_with_what_is_in_it(self, shop: Shop) -> None:
        run = shop.act("BulkMove", shop.inner, *shop.assignments)

        assert run.state == State.SUCCEEDED
        assert shop.tree() == {
            "Source": [],
            "Target": ["test 0"],
            "Target/Inner": ["explore", "test 1", "test 2"],
        }

    def test_of_a_package_into_itself_is_refused(self, shop: Shop) -> None:
        run = shop.act("BulkMove", shop.source, targetPackageId=str(shop.inner.pk))

        assert run.state == State.FAILED
        assert run.error == "1 of 1 were not moved: they cannot be put into themselves."
        assert shop.tree() == BEFORE

    def test_of_two_at_one_moment_waits_for_the_other(self, shop: Shop) -> None:
        def key_of(command: str, target: ExecutionPackage) -> str | None:
            return BulkAction.exclusive_key({"commandName": command, "targetPackageId": target.pk})

        other = PackageFactory.create(project__account=shop.actor.account)
        shop.index()

        # Two that put two packages into each other would leave both in none.
        assert key_of("BulkMove", shop.source) == key_of("BulkMove", shop.target) is not None
        assert key_of("BulkMove", other) != key_of("BulkMove", shop.target)
        assert key_of("BulkCopy", shop.target) is None

    def test_leaves_what_is_of_another_project_where_it_is(self, shop: Shop) -> None:
        other = AssignmentFactory.create(automated_test__project__account=shop.actor.account)
        test = AutomatedTestFactory.create(project=other.automated_test.project)
        shop.index()

        run = shop.act("BulkMove", other, test, shop.assignments[0])

        assert run.warnings == ["2 of 3 were not moved: they are of another project."]
        other.refresh_from_db()
        assert other.package.project == test.project

    def test_may_not_nest_too_deep(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tickets.bulk.placing.DEEPEST", 2)

        assert shop.act("BulkMove", shop.source).state == State.FAILED
        assert shop.act("BulkMove", shop.inner).state == State.SUCCEEDED


class TestDelete:
    def test_leaves_nothing_of_them(self, shop: Shop) -> None:
        run = shop.act("BulkDelete", shop.source, shop.inner, *shop.assignments, shop.tests[0])

        assert (run.state, run.result, run.warnings) == (State.SUCCEEDED, {"Done": 6}, [])
        assert shop.tree() == {"Target": []}
        assert set(AutomatedTest.objects.values_list("name", "package")) == {
            ("test 1", None),
            ("test 2", None),
        }

    def test_says_how_many_were_not_there(self, shop: Shop) -> None:
        foreign = AutomatedTestFactory.create()
        gone = AutomatedTest(pk=uuid.uuid4())

        run = shop.act("BulkDelete", foreign, gone, shop.tests[0])

        assert run.state == State.WARNED
        assert run.warnings == ["2 of 3 were not deleted: they do not exist."]
        assert AutomatedTest.objects.filter(pk=foreign.pk).exists()
        foreign.project.delete()

    def test_of_nothing_that_is_there_fails(self, shop: Shop) -> None:
        run = shop.act("BulkDelete", AutomatedTest(pk=uuid.uuid4()))

        assert run.error == "1 of 1 were not deleted: they do not exist."

    def test_keeps_to_the_project_that_was_named(self, shop: Shop) -> None:
        other = ProjectFactory.create(account=shop.actor.account)
        shop.index()

        run = shop.act("BulkDelete", shop.tests[0], projectId=str(other.pk))

        assert run.state == State.FAILED
        assert AutomatedTest.objects.count() == 3


class TestQuery:
    def test_selects_what_it_finds_when_it_begins(self, shop: Shop, file_store: Path) -> None:
        run = shop.act("BulkDelete", tql="EntityType = AutomatedTest AND Name ~ 'test' ")

        assert run.result == {"Done": 3}
        assert not AutomatedTest.objects.exists()
        assert not files_in(file_store)

    def test_does_not_select_copies_of_what_it_selected(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulkaction, "BATCH", 1)
        parameters: dict[str, Any] = {
            "tql": "EntityType = AutomatedTest",
            "run_id": uuid.uuid4(),
        }

        first = shop.act("BulkCopy", **parameters, stop_after=0)
        second = shop.act("BulkCopy", **parameters, memory=first.memory, attempt=2)

        assert (first.state, second.result) == (State.QUEUED, {"Done": 3})
        assert AutomatedTest.objects.filter(package=shop.target).count() == 3

    def test_of_what_the_command_is_not_for_fails(self, shop: Shop) -> None:
        run = shop.act("BulkMove", tql="EntityType = Project")

        assert run.error == "A Project cannot be moved by a bulkaction."

    def test_that_finds_nothing_does_nothing(self, shop: Shop) -> None:
        run = shop.act("BulkDelete", tql="Name = 'nobody'")

        assert (run.state, run.result) == (State.SUCCEEDED, {"Done": 0})

    def test_over_the_limit_fails(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tickets.bulk.selection.MOST", 2)

        run = shop.act("BulkDelete", tql="EntityType = AutomatedTest")

        assert "it finds 3 entities; at most 2 at once." in run.error
        assert AutomatedTest.objects.count() == 3


class TestStops:
    """Whatever stops it, the next attempt ends where one attempt would have ended."""

    @pytest.mark.parametrize("passed", [0, 1, 3])
    @pytest.mark.parametrize("command", ["BulkCopy", "BulkMove", "BulkDelete"])
    def test_go_on_where_they_were(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, command: str, passed: int
    ) -> None:
        monkeypatch.setattr(bulkaction, "BATCH", 1)
        monkeypatch.setattr(bulkaction, "BATCH_LIGHT", 1)
        selected = (*shop.assignments, shop.agile, AutomatedTest(pk=uuid.uuid4()))
        run_id = uuid.uuid4()

        first = shop.act(command, *selected, run_id=run_id, pause_after=passed)
        second = shop.act(command, *selected, run_id=run_id, memory=first.memory, attempt=2)

        assert first.state == State.PAUSED
        assert second.state == State.WARNED
        assert second.result == {"Done": 4}
        assert second.progress is not None
        assert second.progress[:2] == (5, 5)
        everything = ["explore", "test 0", "test 1", "test 2"]
        assert (
            shop.tree()
            == {
                "BulkCopy": {**BEFORE, "Target": everything},
                "BulkMove": {"Source": [], "Source/Inner": [], "Target": everything},
                "BulkDelete": {"Source": [], "Source/Inner": [], "Target": []},
            }[command]
        )

    def test_one_that_died_after_its_selection_was_removed_succeeds(
        self, shop: Shop, file_store: Path
    ) -> None:
        values: dict[str, Any] = {"tql": "EntityType = AutomatedTest", "run_id": uuid.uuid4()}
        first = shop.act("BulkDelete", **values)
        assert not files_in(file_store)

        second = shop.act("BulkDelete", **values, memory=first.memory, attempt=2)

        assert (second.state, second.result) == (State.SUCCEEDED, {"Done": 3})

    def test_a_cancelled_one_keeps_what_it_has_done(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulkaction, "BATCH", 1)

        run = shop.act("BulkMove", *shop.assignments, cancel_after=1)

        assert run.state == State.CANCELLED
        assert shop.tree()["Target"] == ["test 0", "test 1"]


def exported(shop: Shop, run: Performed) -> list[dict[str, str]]:
    name = export.find(shop.actor.account.pk, run.result["FileName"])
    assert name is not None
    with uploads.read(name) as file:
        text = file.read().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


class TestExport:
    def test_writes_a_line_for_each_in_their_order(self, shop: Shop) -> None:
        node = NodeFactory.create(run=RunFactory.create(assignment=shop.assignments[0]))

        run = shop.act("CsvExport", shop.tests[1], node, shop.assignments[0], shop.tests[0])

        assert (run.state, run.result["Done"]) == (State.SUCCEEDED, 4)
        lines = exported(shop, run)
        assert [(line["EntityType"], line["Name"]) for line in lines] == [
            ("AutomatedTest", "test 1"),
            ("ResultNode", node.name),
            ("AutomatedTestAssignment", "test 0"),
            ("AutomatedTest", "test 0"),
        ]
        assert lines[0]["Id"] == str(shop.tests[1].pk)
        assert (lines[0]["Project"], lines[0]["Package"]) == ("Shop", "Inner")
        assert lines[1]["Status"] == "Passed"
        assert lines[0]["CreatedAt"].endswith("Z")
        ResultNode.objects.all().delete()
        node.run.delete()

    def test_shows_what_incidents_have_picked(self, shop: Shop) -> None:
        incident = IncidentFactory.create(project=shop.project)
        for name, picked_as in (
            ("2.0", "AffectedVersion"),
            ("1.0", "AffectedVersion"),
            ("-x", "Component"),
        ):
            pick(incident, PicklistItemFactory.create(project=shop.project, name=name), picked_as)

        documents.index(Incident, [incident.pk])
        [line] = exported(shop, shop.act("CsvExport", incident))

        assert (line["AffectedVersions"], line["FixedVersions"]) == ("1.0, 2.0", "")
        assert line["Components"] == "'-x"

    @pytest.mark.parametrize(
        "name",
        [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\uff1d1",
            "\uff0b1",
            "\uff0d1",
            "\uff201",
        ],
    )
    def test_lets_no_name_be_a_formula(self, shop: Shop, name: str) -> None:
        test = shop.test(name)
        shop.index()

        [line] = exported(shop, shop.act("CsvExport", test))

        assert line["Name"] == f"'{name}"

    @pytest.mark.parametrize("name", ['a "b", c;\nd', "1-1", " =1", "a=b", "Ümläut €"])
    def test_leaves_other_names_as_they_are(self, shop: Shop, name: str) -> None:
        test = shop.test(name)
        shop.index()

        [line] = exported(shop, shop.act("CsvExport", test))

        assert line["Name"] == name

    def test_begins_anew_after_a_stop(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulkaction, "BATCH_LIGHT", 1)
        run_id = uuid.uuid4()

        first = shop.act("CsvExport", *shop.tests, run_id=run_id, stop_after=1)
        second = shop.act("CsvExport", *shop.tests, run_id=run_id, memory=first.memory, attempt=2)
        third = shop.act("CsvExport", *shop.tests, run_id=run_id, attempt=3)

        assert first.state == State.QUEUED
        assert second.result == third.result
        assert len(exported(shop, third)) == 3

    def test_every_column_is_known(self) -> None:
        assert export.columns_of(KINDS.values()) <= set(export.COLUMNS)

    def test_every_kind_can_be_exported(self, shop: Shop) -> None:
        for kind in KINDS.values():
            rows = kind.visible(shop.actor.account.pk)
            rows.filter(**{f"{kind.project}__in": [shop.project.pk]}).count()
            list(rows.values_list("pk", *dict(kind.columns).values()))

    def test_is_swept_when_it_has_expired(
        self, shop: Shop, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = shop.act("CsvExport", *shop.tests)
        assert len(files_in(file_store)) == 1
        later = clock.now() + uploads.conf.EXPORTS_KEPT
        monkeypatch.setattr(clock, "now", lambda: later)

        assert export.find(shop.actor.account.pk, run.result["FileName"]) is None
        assert not files_in(file_store)


def test_kinds_have_the_names_that_search_knows() -> None:
    for model, kind in KINDS.items():
        if documents.knows(model):
            source = sources.get(model)
            assert kind.names == (source.entity_type, *source.aliases)


def test_search_knows_of_everything(shop: Shop) -> None:
    """The fixture of all tests here is no dead letter: documents are compared."""
    found = search.find(shop.actor.account.pk, tql.parse("EntityType = AutomatedTest"))

    assert found.count() == 3
    assert Document.objects.exists()
