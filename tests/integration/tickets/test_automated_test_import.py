import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, connection
from pytest_django import Settings

from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import Actor, Interrupted, Outcome, Resource, TaskContext, TaskFailed
from backgroundtasks.handlers.context import Cancelled, LeaseLost, TimedOut, WorkerStopping
from tests.support.factories import AccountFactory
from tests.support.projects import AssignmentFactory, NodeFactory, RunFactory
from tests.support.reports import report, zipped
from tickets import staging, uploads
from tickets.handlers.automated_test_import import AutomatedTestImport
from tickets.models import AutomatedTestAssignment, AutomatedTestRun, ResultNode, Stage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("file_store")]

SMALL = b"""<testsuites>
  <testsuite name="shop" timestamp="2024-03-05T08:15:42" time="2.5">
    <properties><property name="browser" value="firefox"/></properties>
    <testcase name="adds_to_cart" classname="shop.Cart" time="0.5"/>
    <testcase name="refund_is_rounded" classname="shop.Refund" time="1">
      <failure message="expected 3" type="AssertionError">at line 12</failure>
    </testcase>
    <testcase name="pays" classname="shop.Pay"><flakyError message="late"/></testcase>
    <testsuite name="nested"><testcase name="skips"><skipped/></testcase></testsuite>
  </testsuite>
</testsuites>"""


class Channel:
    """Stands for the engine: keeps what the handler says, stops it when told to."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.asked = 0
        self.stop_at: int | None = None
        self.reason: type[Interrupted] = Cancelled
        self.on_ask: Callable[[], None] = lambda: None

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        self.messages.append((level, key, text))

    def remember(self, memory: dict[str, Any]) -> None: ...

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        self.asked += 1
        self.on_ask()
        return self.reason if self.asked == self.stop_at else None


class Import:
    """One background run, any number of attempts."""

    def __init__(self, content: bytes, assignment: AutomatedTestAssignment | None = None) -> None:
        self.assignment = assignment or AssignmentFactory.create()
        self.account_id = self.assignment.account_id
        self.name = uploads.new_name(self.account_id)
        uploads.save(self.name, ContentFile(content))
        self.run_id = uuid.uuid4()
        self.channel = Channel()
        self.progress: list[tuple[int, int | None]] = []

    def attempt(self) -> Outcome:
        context = TaskContext(
            self.channel,
            run_id=self.run_id,
            task_id=uuid.uuid4(),
            account_id=self.account_id,
            user_id=None,
            attempt=1,
        )
        self.channel.on_ask = lambda: self._note(context)
        try:
            return AutomatedTestImport().perform(
                context,
                {"AutomatedTestAssignmentId": self.assignment.pk, "ResultsPath": self.name},
            )
        finally:
            self._note(context)

    def _note(self, context: TaskContext) -> None:
        if context.latest is not None:
            self.progress.append(context.latest[:2])


def nothing_is_left() -> bool:
    return not AutomatedTestRun.objects.exists() and not ResultNode.objects.exists()


class TestAutomatedTestImport:
    def test_makes_a_run_with_totals(self) -> None:
        importing = Import(SMALL)

        outcome = importing.attempt()

        run = AutomatedTestRun.objects.shown().get()
        assert outcome.result == {"AutomatedTestRunId": str(run.pk), "TotalResults": 4}
        assert outcome.warnings == ()
        assert (run.account_id, run.assignment) == (importing.account_id, importing.assignment)
        assert (run.errors, run.failed, run.skipped, run.passed, run.warnings) == (0, 1, 1, 2, 1)
        assert (run.total_results, run.total_nodes, run.status) == (4, 6, "Failed")
        assert run.started_at == datetime(2024, 3, 5, 8, 15, 42, tzinfo=UTC)
        assert run.finished_at == datetime(2024, 3, 5, 8, 15, 44, 500_000, tzinfo=UTC)
        assert run.imported_at is not None

    def test_makes_a_tree_of_nodes(self) -> None:
        Import(SMALL).attempt()

        nodes = ResultNode.objects.order_by("position")
        names = {node.pk: node.name for node in nodes}
        assert [
            (n.name, names.get(n.parent_id), n.status, n.is_case, n.has_children)  # type: ignore[call-overload]
            for n in nodes
        ] == [
            ("shop", None, "Failed", False, True),
            ("adds_to_cart", "shop", "Passed", True, False),
            ("refund_is_rounded", "shop", "Failed", True, False),
            ("pays", "shop", "Passed", True, False),
            ("nested", "shop", "Skipped", False, True),
            ("skips", "nested", "Skipped", True, False),
        ]

    def test_keeps_what_a_node_says(self) -> None:
        Import(SMALL).attempt()

        shop = ResultNode.objects.get(name="shop")
        refund = ResultNode.objects.get(name="refund_is_rounded")
        assert shop.parameters == {"browser": "firefox"}
        assert shop.started_at == datetime(2024, 3, 5, 8, 15, 42, tzinfo=UTC)
        assert (refund.class_name, refund.duration_seconds) == ("shop.Refund", 1.0)
        assert refund.description == "expected 3\nat line 12"
        assert refund.metadata == {"type": "AssertionError", "message": "expected 3"}
        assert refund.parameters is None
        assert ResultNode.objects.get(name="pays").is_flaky

    def test_gives_nodes_ids_that_are_version_4(self) -> None:
        Import(SMALL).attempt()

        assert {pk.version for pk in ResultNode.objects.values_list("pk", flat=True)} == {4}

    def test_reads_many_reports_of_a_zip_into_one_run(self) -> None:
        many = {f"TEST-{n}.xml": b"".join(report(30)) for n in range(5)}

        Import(zipped(many)).attempt()

        run = AutomatedTestRun.objects.get()
        assert (run.total_results, run.total_nodes) == (150, 155)
        assert ResultNode.objects.filter(parent=None).count() == 5

    def test_counts_test_cases_as_progress_that_never_goes_back(self) -> None:
        importing = Import(b"".join(report(5_000)))

        importing.attempt()

        assert importing.progress[-1] == (5_000, 5_000)
        counts = [done for done, total in importing.progress]
        assert counts == sorted(counts)
        assert len(set(counts)) > 3
        assert all(total is not None and done <= total for done, total in importing.progress)
        assert {total for done, total in importing.progress if done} == {5_000}

    def test_keeps_progress_below_its_total_when_the_look_ahead_saw_less(self) -> None:
        importing = Import(
            b'<j:testsuite xmlns:j="u" name="s">' + b"<j:testcase/>" * 20_000 + b"</j:testsuite>"
        )

        importing.attempt()

        assert all(total is not None and done <= total for done, total in importing.progress)
        assert importing.progress[-1] == (20_000, 20_000)

    def test_tells_a_suites_own_error_as_a_message(self) -> None:
        importing = Import(
            b'<testsuite name="a"><error message="no database"/>'
            b'<testcase time="abc"/><testcase time="1"/></testsuite>'
        )

        importing.attempt()

        assert importing.channel.messages == [
            ("error", "import.suite_error", "The suite a has an error: no database"),
            (
                "warning",
                "import.durations_unread",
                "1 durations could not be read and were left out.",
            ),
        ]
        run = AutomatedTestRun.objects.get()
        assert (run.status, run.errors, run.passed) == ("Failed", 0, 2)

    def test_tells_that_there_was_nothing(self) -> None:
        importing = Import(b"<testsuites/>")

        importing.attempt()

        assert importing.channel.messages == [
            ("warning", "import.empty", "The results hold no test case.")
        ]
        assert AutomatedTestRun.objects.get().status == "NotRun"

    def test_deletes_the_file_when_it_has_ended(self, file_store: Path) -> None:
        Import(SMALL).attempt()

        assert not [path for path in file_store.rglob("*") if path.is_file()]

    def test_stages_in_batches_and_shows_at_once(self) -> None:
        importing = Import(b"".join(report(9_000)))
        seen: list[tuple[int, int]] = []
        note = importing._note

        def look(context: TaskContext) -> None:
            note(context)
            shown = AutomatedTestRun.objects.shown().count()
            seen.append((shown, ResultNode.objects.count()))

        importing._note = look  # type: ignore[method-assign]
        importing.attempt()

        before, after = seen[:-1], seen[-1]
        assert {shown for shown, _ in before} == {0}
        assert len({stored for _, stored in before}) > 3
        assert after == (1, 9_009)

    def test_keeps_its_transactions_to_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes: list[int] = []
        insert = staging.NODES.insert
        monkeypatch.setattr(
            staging.NODES, "insert", lambda rows: (sizes.append(len(rows)), insert(rows))
        )

        Import(b"".join(report(5_000))).attempt()

        assert sum(sizes) == 5_005
        assert max(sizes) <= staging.BATCH_ROWS

    def test_writes_long_texts_in_smaller_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes: list[int] = []
        insert = staging.NODES.insert
        monkeypatch.setattr(
            staging.NODES, "insert", lambda rows: (sizes.append(len(rows)), insert(rows))
        )
        case = b"<testcase><failure>" + b"x" * 60_000 + b"</failure></testcase>"

        Import(b"<testsuite>" + case * 200 + b"</testsuite>").attempt()

        assert sum(sizes) == 201
        assert max(sizes) < 80


class TestFailure:
    @pytest.mark.parametrize(
        "content, text",
        [
            (b"", "Unable to parse results: the report is empty."),
            (
                b"<html/>",
                "Unable to parse results: its root element is <html>, not <testsuites> or <testsuite>.",
            ),
            (b"<testsuite><testcase/>", "Unable to parse results: unexpected end of file."),
            (
                b"".join(report(9_000))[:-50],
                "Unable to parse results: unclosed token at line 9019, column 1.",
            ),
            (
                b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>',
                "Unable to parse results: its DOCTYPE declares entities or attributes of its own.",
            ),
            (zipped({}), "Unable to parse results: the zip holds no .xml file."),
            (
                zipped({"a.xml": SMALL, "b.xml": b"<html/>"}),
                "Unable to parse results (b.xml): its root element is <html>, not <testsuites> or <testsuite>.",
            ),
            (
                zipped({"../a.xml": SMALL}),
                "Unable to parse results (../a.xml): the zip names a path outside itself.",
            ),
        ],
    )
    def test_leaves_nothing_behind(self, content: bytes, text: str, file_store: Path) -> None:
        importing = Import(content)

        with pytest.raises(TaskFailed) as failure:
            importing.attempt()

        assert str(failure.value) == text
        assert not failure.value.temporary
        assert nothing_is_left()
        assert not [path for path in file_store.rglob("*") if path.is_file()]

    def test_says_that_the_file_is_gone(self) -> None:
        importing = Import(SMALL)
        uploads.delete(importing.name)

        with pytest.raises(TaskFailed) as failure:
            importing.attempt()

        assert str(failure.value) == (
            "The uploaded results are not there any more: upload them again."
        )
        assert nothing_is_left()

    def test_of_the_disk_is_temporary_and_keeps_the_file(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        importing = Import(SMALL)
        with monkeypatch.context() as broken:
            broken.setattr(uploads, "read", _unreadable)
            with pytest.raises(TaskFailed) as failure:
                importing.attempt()
            assert failure.value.temporary

        importing.attempt()

        assert AutomatedTestRun.objects.shown().count() == 1

    def test_of_the_database_leaves_it_to_the_next_attempt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        importing = Import(b"".join(report(9_000)))
        insert = staging.NODES.insert
        written: list[int] = []

        def fails_at_the_third_batch(rows: list[Any]) -> None:
            written.append(len(rows))
            if len(written) == 3:
                raise OperationalError("the connection was lost")
            insert(rows)

        monkeypatch.setattr(staging.NODES, "insert", fails_at_the_third_batch)
        with pytest.raises(OperationalError):
            importing.attempt()
        assert nothing_is_left()
        assert uploads.exists(importing.name)

        importing.attempt()

        assert AutomatedTestRun.objects.get().total_results == 9_000

    def test_says_that_the_assignment_is_gone(self) -> None:
        importing = Import(SMALL)
        AutomatedTestAssignment.objects.all().delete()

        with pytest.raises(TaskFailed) as failure:
            importing.attempt()

        assert str(failure.value) == (
            f"The automated test assignment {importing.assignment.pk} does not exist any more."
        )


def _unreadable(name: str) -> Any:
    raise PermissionError(13, "Permission denied")


class TestInterruption:
    @pytest.mark.parametrize("reason", [Cancelled, TimedOut])
    def test_that_ends_the_run_leaves_nothing_behind(
        self, file_store: Path, reason: type[Interrupted]
    ) -> None:
        importing = Import(b"".join(report(9_000)))
        importing.channel.stop_at = 8
        importing.channel.reason = reason

        with pytest.raises(reason):
            importing.attempt()

        assert nothing_is_left()
        assert not [path for path in file_store.rglob("*") if path.is_file()]

    @pytest.mark.parametrize("reason", [WorkerStopping, LeaseLost])
    def test_that_another_attempt_follows_keeps_the_file(self, reason: type[Interrupted]) -> None:
        importing = Import(b"".join(report(9_000)))
        importing.channel.stop_at = 8
        importing.channel.reason = reason
        with pytest.raises(reason):
            importing.attempt()
        assert nothing_is_left()

        importing.attempt()

        assert AutomatedTestRun.objects.get().total_results == 9_000


class TestAttempts:
    def test_begin_by_removing_what_a_killed_one_staged(self) -> None:
        importing = Import(b"".join(report(100)))
        killed = RunFactory.create(
            assignment=importing.assignment, import_id=importing.run_id, stage=Stage.STAGED
        )
        NodeFactory.create_batch(5, run=killed)

        importing.attempt()

        run = AutomatedTestRun.objects.get()
        assert run.pk != killed.pk
        assert run.nodes.count() == ResultNode.objects.count() == 101

    def test_answer_with_the_run_that_a_killed_one_had_shown(self) -> None:
        importing = Import(SMALL)
        first = importing.attempt()
        uploads.save(importing.name, ContentFile(SMALL))  # killed before it deleted the file

        second = importing.attempt()

        assert second.result == first.result
        assert AutomatedTestRun.objects.count() == 1
        assert not uploads.exists(importing.name)

    def test_that_lost_their_run_to_the_next_cannot_write_or_show(self) -> None:
        importing = Import(b"".join(report(9_000)))
        others: list[Outcome] = []
        rescue = Import.__new__(Import)
        rescue.__dict__ |= importing.__dict__ | {"channel": Channel(), "progress": []}

        def take_over(context: TaskContext) -> None:
            if importing.channel.asked == 8 and not others:
                others.append(rescue.attempt())

        importing._note = take_over  # type: ignore[method-assign]
        with pytest.raises(TaskFailed) as failure:
            importing.attempt()

        assert str(failure.value) == "The results were taken over by another attempt."
        run = AutomatedTestRun.objects.get()
        assert others[0].result["AutomatedTestRunId"] == str(run.pk)
        assert ResultNode.objects.count() == run.total_nodes == 9_009


class TestSubmission:
    def actor(self, importing: Import) -> Actor:
        return Actor(user=None, account=importing.assignment.account, role="member")  # type: ignore[arg-type]

    def test_works_on_the_assignment_by_the_name_of_its_test(self) -> None:
        assignment = AssignmentFactory.create()

        resource = AutomatedTestImport.resource({"AutomatedTestAssignmentId": assignment.pk})

        assert resource == Resource(
            id=str(assignment.pk),
            name=assignment.automated_test.name,
            kind="automatedtestassignment",
            path=f"/api/automatedtestassignment/{assignment.pk}",
        )

    def test_works_on_an_assignment_that_has_no_page(self, settings: Settings) -> None:
        settings.ROOT_URLCONF = "backgroundtasks.urls"
        assignment = AssignmentFactory.create()

        resource = AutomatedTestImport.resource({"AutomatedTestAssignmentId": assignment.pk})

        assert resource.path == ""

    def check(self, importing: Import, **changed: Any) -> None:
        parameters = {
            "AutomatedTestAssignmentId": importing.assignment.pk,
            "ResultsPath": importing.name,
        }
        AutomatedTestImport.check_submission(self.actor(importing), parameters | changed)

    def test_is_accepted(self) -> None:
        self.check(Import(SMALL))

    def test_refuses_an_assignment_of_another_account(self) -> None:
        importing = Import(SMALL)
        foreign = AssignmentFactory.create()

        with pytest.raises(SubmissionRefused) as refusal:
            self.check(importing, AutomatedTestAssignmentId=foreign.pk)

        assert str(refusal.value) == f"The automated test assignment {foreign.pk} does not exist."

    @pytest.mark.parametrize(
        "path",
        [
            "/etc/passwd",
            "../secret",
            "results/../../x",
            "results",
            "",
            "results/" + "0" * 32 + "/x",
        ],
    )
    def test_refuses_what_is_no_upload(self, path: str) -> None:
        with pytest.raises(SubmissionRefused) as refusal:
            self.check(Import(SMALL), ResultsPath=path)

        assert str(refusal.value) == "ResultsPath names no uploaded file of this account."

    def test_refuses_the_upload_of_another_account(self) -> None:
        with pytest.raises(SubmissionRefused):
            self.check(Import(SMALL), ResultsPath=Import(SMALL).name)

    def test_refuses_an_upload_that_is_gone(self) -> None:
        importing = Import(SMALL)
        uploads.delete(importing.name)

        with pytest.raises(SubmissionRefused):
            self.check(importing)


class TestDiscard:
    def test_removes_a_run_with_its_nodes_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Import(SMALL).attempt()
        kept = NodeFactory.create()
        monkeypatch.setattr(staging, "BATCH_REMOVED", 2)
        run = AutomatedTestRun.objects.exclude(pk=kept.run_id).get()

        assert staging.discard(run.pk)

        assert list(ResultNode.objects.all()) == [kept]
        assert list(AutomatedTestRun.objects.all()) == [kept.run]

    def test_is_done_by_one(self) -> None:
        run = RunFactory.create()

        assert [staging.discard(run.pk), staging.discard(run.pk)] == [True, False]

    def test_leaves_a_shown_run_alone_when_only_staged_ones_are_meant(self) -> None:
        run = RunFactory.create()

        assert not staging.discard(run.pk, only_staged=True)
        assert AutomatedTestRun.objects.get() == run


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite maps its file")
class TestUnmapped:
    def mapped(self) -> int:
        with connection.cursor() as cursor:
            return int(cursor.execute("PRAGMA mmap_size").fetchone()[0])

    def test_maps_nothing_meanwhile_and_as_before_afterwards(self) -> None:
        before = self.mapped()

        with contextlib.suppress(KeyError), staging.unmapped():
            within = self.mapped()
            raise KeyError

        assert before > 0
        assert (within, self.mapped()) == (0, before)


class TestSweep:
    def test_removes_what_was_abandoned_and_nothing_else(self) -> None:
        now = datetime.now(UTC)
        old, recent = now - timedelta(days=8), now - timedelta(hours=5)
        assignment = AssignmentFactory.create()
        kept = [
            RunFactory.create(staged_at=old, assignment=assignment),
            RunFactory.create(staged_at=recent, assignment=assignment, stage=Stage.STAGED),
            RunFactory.create(staged_at=old, stage=Stage.STAGED),  # of another account
        ]
        for stage, staged_at in ((Stage.STAGED, old), (Stage.DISCARDED, recent)):
            gone = RunFactory.create(staged_at=staged_at, assignment=assignment, stage=stage)
            NodeFactory.create(run=gone)

        assert staging.sweep(assignment.account_id) == 2

        assert set(AutomatedTestRun.objects.all()) == set(kept)
        assert not ResultNode.objects.exists()

    def test_removes_old_uploads_of_the_account(self, file_store: Path) -> None:
        mine, other = AccountFactory.create(), AccountFactory.create()
        names = [uploads.new_name(account.pk) for account in (mine, mine, other)]
        for name in names:
            uploads.save(name, ContentFile(b"x"))
        week_ago = time.time() - 8 * 24 * 3600
        for name in (names[0], names[2]):
            os.utime(file_store / name, (week_ago, week_ago))

        assert uploads.sweep(mine.pk) == 1

        assert [uploads.exists(name) for name in names] == [False, True, True]

    def test_finds_no_folder_and_is_content(self) -> None:
        assert uploads.sweep(uuid.uuid4()) == 0


class TestLimits:
    def test_of_what_a_zip_unpacks_to_is_a_setting(self, settings: Settings) -> None:
        settings.TICKETS = {"UNPACKED_LIMIT": 100}

        with pytest.raises(TaskFailed) as failure:
            Import(zipped({"a.xml": SMALL})).attempt()

        assert str(failure.value) == (
            "Unable to parse results: the zip unpacks to more than 100 bytes."
        )


@pytest.fixture(autouse=True)
def no_open_transaction() -> Iterator[None]:
    yield
    assert not connection.in_atomic_block
