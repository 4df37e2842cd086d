"""One promise, every dialect: all of them show the same runs, and none shows what it must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers

from backgroundtasks import clock, operations, scheduling
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import SecretField, TaskHandler, permissions, registry
from backgroundtasks.models import Message, Schedule, TaskStatus
from backgroundtasks.states import FINAL, GOOD, State
from tests.conformance.dialects import DIALECTS, Dialect, Facts, listed, one
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db

QUEUED_AT = datetime(2024, 3, 5, 8, 15, 42, 123_456, UTC)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
#: ArcGIS' is for operators alone, and its lists are of one task each.
every_dialect_of_members = pytest.mark.parametrize(
    "dialect", [one for one in DIALECTS if one.for_members], ids=lambda one: one.name
)


@pytest.fixture
def caller() -> Caller:
    return Caller(factories.actor("admin", is_superuser=True, is_staff=True, username="ann"))


def by_enterprise_tester(caller: Caller) -> UUID:
    return UUID(caller.start("Work", Steps=3)["Id"][-36:])


def by_admin(caller: Caller) -> UUID:
    browser = Client()
    browser.force_login(caller.actor.user)
    answer = browser.post("/admin/backgroundtasks/task/add/?type=Work", {"parameters-Steps": "3"})
    assert answer.status_code == 302
    return newest()


def by_command(caller: Caller) -> UUID:
    call_command("submit_task", "Work", "--user", caller.actor.user.username)
    return newest()


def by_code(caller: Caller) -> UUID:
    return operations.submit(caller.actor, "Work", {}).run_id


def by_schedule(caller: Caller) -> UUID:
    operations.create_schedule(caller.actor, "Work", {}, operations.Timing("0 0 4 * * ?"))
    Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))
    assert scheduling.fire_due() == 1
    return newest()


def by_schedule_now(caller: Caller) -> UUID:
    timing = operations.Timing("0 0 4 * * ?")
    schedule = operations.create_schedule(caller.actor, "Work", {}, timing)
    return operations.run_schedule_now(caller.actor, schedule.pk).run_id


def newest() -> UUID:
    return TaskStatus.objects.order_by("-position").values_list("pk", flat=True)[0]


class TestAllSeeTheSame:
    @pytest.mark.parametrize(
        "start", [by_enterprise_tester, by_admin, by_command, by_code, by_schedule, by_schedule_now]
    )
    def test_a_run_started_through_any_door_is_seen_by_all(
        self, caller: Caller, start: Callable[[Caller], UUID]
    ) -> None:
        run = TaskStatus.objects.get(pk=start(caller))

        for dialect in DIALECTS:
            assert one(dialect, caller, run) is not None, dialect.name
            facts = listed(dialect, caller)
            assert set(facts) == {run.pk}, dialect.name
            assert (facts[run.pk].well, facts[run.pk].owner) == (None, "ann"), dialect.name

    @pytest.mark.django_db(transaction=True)
    def test_a_run_that_another_one_started_is_seen_by_all_while_the_engine_works(
        self, caller: Caller
    ) -> None:
        caller.start("Family", Children=2, Type="Work")
        drainer = Drainer(["default"], stop_flag=_NeverStopped())  # type: ignore[arg-type]

        # The parent starts its children and waits; they are done; it goes on to its end.
        while drainer.drain():
            runs = list(TaskStatus.objects.all())
            said = [unfinished_below_all(listed(dialect, caller)) for dialect in DIALECTS]
            for dialect, facts in zip(DIALECTS, said, strict=True):
                assert facts == said[0], dialect.name
            assert set(said[0]) == {run.pk for run in runs}

        assert [facts.well for facts in said[0].values()] == [True] * 3

    @pytest.mark.parametrize("state", list(State))
    def test_in_every_state_with_equal_progress_times_and_owner(
        self, caller: Caller, state: State
    ) -> None:
        run = factories.run(
            state,
            owner=caller.actor,
            processed=37,
            total=100,
            queued_at=QUEUED_AT,
            result={"values": {"Books": 7}, "warnings": ["One was odd."]}
            if state in GOOD
            else None,
        )
        expected = Facts(
            run_id=run.pk,
            well=(state in GOOD) if state in FINAL else None,
            percent=100 if state in GOOD else 37,
            queued=second(QUEUED_AT),
            started=second(run.started_at or QUEUED_AT),
            finished=None if run.finished_at is None else second(run.finished_at),
            why=run.error,
            owner="ann",
        )

        for dialect in DIALECTS:
            assert listed(dialect, caller) == {run.pk: expected}, dialect.name
            alone = one(dialect, caller, run)
            assert alone is not None, dialect.name
            assert replace(alone, owner="ann") == expected, dialect.name
            assert alone.owner in {"ann", None}, dialect.name

    @pytest.mark.parametrize(
        "processed, total", [(0, 0), (5, 0), (0, 3), (1, 3), (2, 3), (999, 1000), (99_999, 100_000)]
    )
    def test_progress_within_one_percent_and_never_all_before_all_is_done(
        self, caller: Caller, processed: int, total: int
    ) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor, processed=processed, total=total)
        done = processed / total * 100 if total else 0

        for dialect in DIALECTS:
            facts = one(dialect, caller, run)
            assert facts is not None
            assert abs(facts.percent - done) <= 1, dialect.name
            assert facts.percent < 100, dialect.name

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.PAUSED])
    @pytest.mark.parametrize("word", ["", "TERMINATED", "SUCCESS", "ERROR"])
    def test_what_one_of_them_changes_all_of_them_show(
        self, caller: Caller, state: State, word: str
    ) -> None:
        run = factories.run(state, owner=caller.actor)

        if word:
            ended_through_sailpoint(caller, run, word)
        else:
            answer = caller.post(f"/api/backgroundtask/work-{run.pk}/cancel")
            assert answer.status_code == 200
        run.refresh_from_db()

        said = [unfinished_below_all(listed(dialect, caller))[run.pk] for dialect in DIALECTS]
        assert [one.well for one in said] == [
            run.state in GOOD if run.state in FINAL else None
        ] * len(said)
        for facts, dialect in zip(said, DIALECTS, strict=True):
            assert facts == said[0], dialect.name
        assert run.state != state


class TestNoneShowsWhatItMustNot:
    @every_dialect
    def test_a_run_of_another_account_is_answered_like_an_unknown_one(
        self, dialect: Dialect
    ) -> None:
        caller = Caller()
        foreign, unknown = factories.run(), factories.run(owner=caller.actor)
        TaskStatus.objects.filter(pk=unknown.pk).delete()

        answers = [
            caller.get(dialect.path(caller, run), **dialect.headers(caller))
            for run in (foreign, unknown)
        ]

        assert all(dialect.is_missing(answer) for answer in answers)
        assert shape(answers[0].json(), foreign) == shape(answers[1].json(), unknown)
        assert listed(dialect, caller) == {}

    @every_dialect_of_members
    def test_a_run_whose_handler_says_no_is_answered_like_an_unknown_one(
        self, dialect: Dialect
    ) -> None:
        caller = Caller()
        colleague = factories.actor("admin", account=caller.actor.account)
        hidden = factories.run(owner=colleague, task_type="OwnersWork")
        gone = factories.run(owner=colleague, task_type="GoneWork")
        shown = factories.run(owner=colleague)

        assert one(dialect, caller, hidden) is None
        assert one(dialect, caller, gone) is None
        assert set(listed(dialect, caller)) == {shown.pk}
        assert set(listed(dialect, Caller(colleague))) == {hidden.pk, gone.pk, shown.pk}

    @every_dialect
    def test_a_flushed_run_is_gone(self, dialect: Dialect, caller: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=caller.actor)
        assert one(dialect, caller, run) is not None

        TaskStatus.objects.filter(pk=run.pk).delete()

        assert one(dialect, caller, run) is None
        assert listed(dialect, caller) == {}

    @every_dialect
    def test_nobody_without_a_credential_sees_anything(self, dialect: Dialect) -> None:
        caller = Caller()
        run = factories.run(owner=caller.actor)

        for path in (dialect.path(caller, run), *dialect.list_paths(caller)):
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic !"}):
                answer = Client().get(path, headers=headers)
                assert dialect.is_of_nobody(answer), path
                assert run.pk.hex not in answer.content.decode().replace("-", "")

    @every_dialect
    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.FAILED, State.WARNED])
    def test_no_secret_is_shown_at_any_depth(
        self, dialect: Dialect, caller: Caller, state: State, vault: str
    ) -> None:
        submission = operations.submit(caller.actor, vault, SECRETS)
        TaskStatus.objects.filter(pk=submission.run_id).update(
            state=state, result={"values": {}, "warnings": []}
        )
        run = TaskStatus.objects.get(pk=submission.run_id)
        assert "hunter" not in str(run.task.parameters)

        for path in (dialect.path(caller, run), *dialect.list_paths(caller)):
            said = caller.get(path, **dialect.headers(caller)).content.decode()
            assert run.pk.hex in said.replace("-", "")
            assert "hunter" not in said
            assert "sealed" not in said

    @every_dialect_of_members
    def test_the_parent_that_a_handler_hides_stays_hidden(self, dialect: Dialect) -> None:
        caller = Caller()
        colleague = factories.actor(account=caller.actor.account)
        parent = factories.run(State.WAITING, owner=colleague, task_type="OwnersWork")
        parent.task.title = "Dismissals"
        parent.task.save()
        child = factories.run(owner=caller.actor, parent=parent, child_key="a")

        for path in (dialect.path(caller, child), *dialect.list_paths(caller)):
            answer = caller.get(path)
            assert answer.status_code == 200
            assert "Dismissals" not in answer.content.decode()


@every_dialect_of_members
def test_a_list_costs_the_same_number_of_queries_however_long_it_is(
    dialect: Dialect, caller: Caller
) -> None:
    def filled(count: int) -> int:
        for n in range(count):
            parent = factories.run(State.WAITING, owner=caller.actor)
            child = factories.run(
                list(State)[n % len(State)],
                owner=factories.actor(account=caller.actor.account),
                parent=parent,
                child_key="a",
                labels={"n": str(n)},
            )
            Message.objects.create(run=child, level="info", key="k", text="t", attempt=1)
        [path] = dialect.list_paths(caller)
        caller.get(path)  # what is asked once is asked now
        with CaptureQueriesContext(connection) as asked:
            answer = caller.get(path)
        assert len(dialect.items(answer.json())) == TaskStatus.objects.count()
        return len(asked)

    assert filled(1) == filled(20)


class Login(serializers.Serializer[Any]):
    Name = serializers.CharField()
    Password = SecretField()


class Secrets(serializers.Serializer[Any]):
    One = SecretField()
    Listed = serializers.ListField(child=SecretField())
    Named = serializers.DictField(child=SecretField())
    Inner = Login()
    Several = Login(many=True)


SECRETS = {
    "One": "hunter1",
    "Listed": ["hunter2"],
    "Named": {"a": "hunter3"},
    "Inner": {"Name": "x", "Password": "hunter4"},
    "Several": [{"Name": "y", "Password": "hunter5"}],
}


@pytest.fixture
def vault() -> Iterator[str]:
    """A task type with secrets at every depth."""
    type(
        "Vault",
        (TaskHandler,),
        {
            "task_type": "Vault",
            "permissions": (permissions.Role("member"),),
            "Parameters": Secrets,
        },
    )
    yield "Vault"
    registry._handlers.pop("vault")


def unfinished_below_all(said: dict[UUID, Facts]) -> dict[UUID, Facts]:
    """Return the facts; when all is done and it has not ended, dialects say 99 or 100."""
    return {
        run_id: facts if facts.well is not None else replace(facts, percent=min(facts.percent, 99))
        for run_id, facts in said.items()
    }


def ended_through_sailpoint(caller: Caller, run: TaskStatus, word: str) -> None:
    """End a run by a JSON Patch, as SailPoint's administrators do."""
    answer = Client().patch(
        f"/task-status/v1/{run.pk.hex}",
        [{"op": "replace", "path": "/completionStatus", "value": word}],
        content_type="application/json-patch+json",
        headers=caller.headers,
    )
    assert answer.status_code == 200, answer.content


class _NeverStopped:
    """The stop flag of a worker inside the test's own process."""

    age: float | None = None


def second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def shape(error: Any, run: TaskStatus) -> Any:
    """Return an error without the run's id, and without what names the request."""
    if isinstance(error, dict):
        tracked = {"trackingId", "correlationID", "correlationId"}
        return {name: shape(value, run) for name, value in error.items() if name not in tracked}
    if isinstance(error, list):
        return [shape(value, run) for value in error]
    return str(error).replace(str(run.pk), "ID").replace(run.pk.hex, "ID")
