"""Short runs of one type that their handler does at once: each is still a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction
from rest_framework import serializers

from backgroundtasks import operations
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import Outcome, TaskFailed, TaskHandler, permissions
from backgroundtasks.handlers.context import LeaseLost
from backgroundtasks.models import Attempt, Message, TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)


class Numbered(serializers.Serializer[Any]):
    """The number that a run returns."""

    Number = serializers.IntegerField()


class Played:
    """A task type that can do several runs at once; remembers what it was asked for."""

    def __init__(self, make_handler: Callable[..., Any]) -> None:
        #: The numbers of each call.
        self.together: list[list[int]] = []
        self.alone: list[int] = []
        #: What is done when several are to be.
        self.answer: Callable[[Any], Any] = lambda works: {
            context.run_id: Outcome({"Number": given["Number"]}) for context, given in works
        }

        def perform(_context: Any, given: Any) -> Outcome:
            self.alone.append(given["Number"])
            return Outcome({"Number": given["Number"]})

        def perform_together(_cls: Any, works: Any) -> Any:
            self.together.append([given["Number"] for _, given in works])
            return self.answer(works)

        self.handler: type[TaskHandler] = make_handler(
            perform,
            idempotent=True,
            short=True,
            max_attempts=2,
            Parameters=Numbered,
            perform_together=classmethod(perform_together),
        )

    @staticmethod
    def submit(count: int, **values: Any) -> list[Any]:
        numbers = ({"Number": number} for number in range(count))
        return operations.submit_many(factories.actor(**values), "Played", numbers)


@pytest.fixture
def played(make_handler: Callable[..., Any]) -> Played:
    return Played(make_handler)


@pytest.fixture
def drainer(drainer: Drainer) -> Drainer:
    """A worker that knows already that runs are short."""
    drainer._most = 50
    return drainer


def ends() -> list[tuple[str, Any]]:
    rows = TaskStatus.objects.order_by("position")
    return [(row.state, (row.result or {}).get("values")) for row in rows]


def well(*numbers: int) -> list[tuple[str, Any]]:
    return [(State.SUCCEEDED, {"Number": number}) for number in numbers]


def test_each_gets_its_own_outcome_and_progress(drainer: Drainer, played: Played) -> None:
    usual = played.answer

    def answer(works: Any) -> Any:
        for context, given in works:
            context.progress(given["Number"], 9, "Counting")
        return usual(works)

    played.answer = answer
    played.submit(3)

    drainer.drain()

    assert (played.together, played.alone) == ([[0, 1, 2]], [])
    assert ends() == well(0, 1, 2)
    rows = TaskStatus.objects.order_by("position").values_list("processed", "total", "text")
    assert list(rows) == [(number, 9, "Counting") for number in range(3)]
    assert not TaskStatus.objects.exclude(attempt=1).exists()


def test_whoever_is_left_out_is_performed_alone_and_in_order(
    drainer: Drainer, played: Played
) -> None:
    played.answer = lambda works: {
        context.run_id: None for context, given in works if given["Number"] == 1
    }
    played.submit(4)

    drainer.drain()

    assert (played.together, played.alone) == ([[0, 1, 2, 3]], [0, 2, 3])
    assert ends() == [*well(0), (State.SUCCEEDED, None), *well(2, 3)]


def test_the_ends_of_the_others_do_not_wait_for_whoever_is_left_out(
    drainer: Drainer, played: Played, make_handler: Callable[..., Any]
) -> None:
    seen = []
    played.answer = lambda works: {context.run_id: Outcome({"Number": 0}) for context, _ in works}
    make_handler(lambda *_: seen.append(ends()), name="Other", idempotent=True, short=True)
    played.submit(2)
    operations.submit(factories.actor(), "Other", {})

    drainer.drain()

    assert seen == [[*well(0, 0), (State.RUNNING, None)]]


def test_whoever_is_left_out_of_several_types_is_performed_in_the_order_of_the_queue(
    drainer: Drainer, played: Played, make_handler: Callable[..., Any]
) -> None:
    order = played.alone
    make_handler(
        lambda *_: order.append(-1),
        name="Other",
        idempotent=True,
        short=True,
        perform_together=classmethod(lambda _cls, _works: {}),
    )
    played.answer = lambda _works: {}
    actor = factories.actor()
    for number in range(2):
        operations.submit(actor, "Played", {"Number": number})
        operations.submit(actor, "Other", {})

    drainer.drain()

    assert order == [0, -1, 1, -1]


@pytest.mark.parametrize("error", [KeyError("rate"), SystemExit(1)], ids=["an error", "an exit"])
def test_what_raises_is_undone_and_each_is_performed_alone(
    drainer: Drainer, played: Played, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def answer(works: Any) -> Any:
        with transaction.atomic():
            Message.objects.create(run_id=works[0][0].run_id, level="info", key="k", attempt=1)
            raise error

    played.answer = answer
    played.submit(3)

    with caplog.at_level(logging.ERROR):
        drainer.drain()

    assert ends() == well(0, 1, 2)
    assert not Message.objects.exists()
    [line] = caplog.records
    assert line.getMessage() == ("run.together_failed type=Played runs=3; each is performed alone")
    assert line.exc_info is not None


@pytest.mark.parametrize(
    "leave_open",
    [lambda: connection.set_autocommit(False), lambda: transaction.atomic().__enter__()],
    ids=["without autocommit", "an atomic block"],
)
def test_a_transaction_that_was_left_open_takes_no_end_with_it(
    drainer: Drainer, played: Played, leave_open: Callable[[], None]
) -> None:
    def answer(works: Any) -> Any:
        leave_open()
        return {context.run_id: Outcome({"Number": given["Number"]}) for context, given in works}

    played.answer = answer
    played.submit(2)

    drainer.drain()

    connection.close()
    assert ends() == well(0, 1)


def test_the_database_may_be_away_when_it_is_left(
    drainer: Drainer, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker waits for it, as it does for any run's end."""
    database, tries = connections[DEFAULT_DB_ALIAS], []
    connect = database.connect

    def away() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("gone")
        connect()

    def answer(works: Any) -> Any:
        database.close()
        monkeypatch.setattr(database, "connect", away)
        raise OperationalError("gone")

    played.answer = answer
    played.submit(2)

    drainer.drain()

    assert len(tries) >= 3
    assert ends() == well(0, 1)


@pytest.mark.parametrize("answer", [None, [], 7, {"a": 1}], ids=repr)
def test_an_answer_that_is_none_leaves_each_to_be_performed_alone(
    drainer: Drainer, played: Played, answer: Any
) -> None:
    played.answer = lambda _works: answer
    played.submit(2)

    drainer.drain()

    assert played.alone == [0, 1]
    assert ends() == well(0, 1)


def test_parameters_that_break_their_reader_break_their_run_alone(
    drainer: Drainer, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = played.handler.loaded

    def load(stored: dict[str, Any]) -> dict[str, Any]:
        if stored["Number"] == 1:
            raise LookupError("rate")
        return loaded(stored)

    monkeypatch.setattr(played.handler, "loaded", load)
    played.submit(3)

    drainer.drain()

    assert (played.together, played.alone) == ([[0, 2]], [])
    assert ends() == [*well(0), (State.SCHEDULED, None), *well(2)]
    assert Message.objects.get().text == "LookupError: rate"


def test_what_was_remembered_is_there_when_it_is_performed_alone(
    drainer: Drainer, make_handler: Callable[..., Any]
) -> None:
    """And what was undone is not."""
    seen = []

    def perform(context: Any, _given: Any) -> None:
        seen.append(context.memory)
        context.remember(alone=True)

    def both(_cls: Any, works: Any) -> Any:
        (kept, _), (undone, _) = works
        kept.remember(cursor=7)
        with transaction.atomic():
            undone.remember(cursor=8)
            raise KeyError

    make_handler(perform, idempotent=True, short=True, perform_together=classmethod(both))
    operations.submit_many(factories.actor(), "Played", [{}] * 2)

    drainer.drain()

    assert seen == [{"cursor": 7, "alone": True}, {"alone": True}]
    rows = TaskStatus.objects.order_by("position").values_list("memory", flat=True)
    assert list(rows) == [{"cursor": 7, "alone": True}, {"alone": True}]


def test_an_interruption_is_left_to_the_run_that_it_is_for(
    drainer: Drainer, played: Played
) -> None:
    def answer(works: Any) -> Any:
        raise LeaseLost

    played.answer = answer
    played.submit(2)

    drainer.drain()

    assert played.alone == [0, 1]
    assert ends() == well(0, 1)


def test_a_second_attempt_is_made_alone(drainer: Drainer, played: Played) -> None:
    first, *_ = played.submit(3)
    TaskStatus.objects.filter(pk=first).update(attempt=1)

    drainer.drain()

    assert (played.together, played.alone) == ([[1, 2]], [0])


def test_one_run_is_performed_alone(drainer: Drainer, played: Played) -> None:
    played.submit(1)

    drainer.drain()

    assert (played.together, played.alone) == ([], [0])


def test_an_outcome_that_cannot_be_stored_fails_its_run_alone(
    drainer: Drainer, played: Played
) -> None:
    played.answer = lambda works: {
        context.run_id: Outcome({"Number": given["Number"] or float("nan")})
        for context, given in works
    }
    played.submit(3)

    drainer.drain()

    assert played.alone == []
    assert ends() == [(State.FAILED, None), *well(1, 2)]
    assert "cannot be stored as JSON" in TaskStatus.objects.order_by("position")[0].error


def test_a_warning_warns_its_run_alone(drainer: Drainer, played: Played) -> None:
    played.answer = lambda works: {
        context.run_id: Outcome(warnings=["Odd"] if given["Number"] else [])
        for context, given in works
    }
    _, odd = played.submit(2)

    drainer.drain()

    assert [state for state, _ in ends()] == [State.SUCCEEDED, State.WARNED]
    assert Message.objects.get().run_id == odd


def test_an_owner_who_may_not_any_more_keeps_nobody_else_from_it(
    drainer: Drainer, played: Played
) -> None:
    played.submit(2)
    gone = factories.actor()
    [refused] = operations.submit_many(gone, "Played", [{"Number": 7}])
    gone.user.memberships.all().delete()
    gone.user.delete()

    drainer.drain()

    assert played.together == [[0, 1]]
    assert TaskStatus.objects.get(pk=refused).state == State.FAILED
    assert TaskStatus.objects.filter(state=State.SUCCEEDED).count() == 2


def test_other_types_of_the_batch_are_performed_as_ever(
    drainer: Drainer, played: Played, make_handler: Callable[..., Any]
) -> None:
    make_handler(lambda *_: Outcome({"Number": -1}), name="Other", idempotent=True, short=True)
    actor = factories.actor()
    for number in range(3):
        operations.submit(actor, "Played", {"Number": number})
        operations.submit(actor, "Other", {})

    drainer.drain()

    assert played.together == [[0, 1, 2]]
    assert ends() == well(0, -1, 1, -1, 2, -1)


def test_a_worker_that_is_to_stop_begins_none(
    drainer: Drainer, played: Played, stop_flag: Any, make_handler: Callable[..., Any]
) -> None:
    def stop(*_: Any) -> None:
        stop_flag.age = 0.0

    def both(_cls: Any, works: Any) -> Any:
        stop()
        return {context.run_id: None for context, _ in works}

    make_handler(
        stop,
        name="Ender",
        idempotent=True,
        short=True,
        perform_together=classmethod(both),
    )
    operations.submit_many(factories.actor(), "Ender", [{}] * 2)
    played.submit(2)

    drainer.drain()

    assert played.together == []
    assert [state for state, _ in ends()] == [State.SUCCEEDED] * 2 + [State.QUEUED] * 2
    assert not Attempt.objects.exists()


def test_an_end_after_the_run_was_taken_away_is_thrown_away(
    drainer: Drainer, played: Played
) -> None:
    usual = played.answer

    def answer(works: Any) -> Any:
        taken, _ = works[0]
        TaskStatus.objects.filter(pk=taken.run_id).update(
            state=State.FAILED, token=None, lease_until=None
        )
        return usual(works)

    played.answer = answer
    taken, _ = played.submit(2)

    drainer.drain()

    assert ends() == [(State.FAILED, None), *well(1)]
    assert Message.objects.get(run=taken).key == "run.late_write_discarded"


@pytest.mark.parametrize("seconds, left", [(0.3, True), (0.9, False)], ids=["as ever", "slow"])
def test_the_others_of_the_batch_are_given_back_when_it_is_slow(
    drainer: Drainer,
    played: Played,
    make_handler: Callable[..., Any],
    seconds: float,
    *,
    left: bool,
) -> None:
    """They may be done by another worker meanwhile."""
    usual, queued = played.answer, []
    make_handler(lambda *_: None, name="Other", idempotent=True, short=True)

    def answer(works: Any) -> Any:
        execution = drainer._pulse.execution
        assert execution is not None
        execution.began_at -= seconds
        drainer._pulse._tick()
        queued.append(TaskStatus.objects.get(task_type="Other").state == State.QUEUED)
        return usual(works)

    played.answer = answer
    played.submit(2)
    operations.submit(factories.actor(), "Other", {})

    drainer.drain()

    assert queued == [not left]
    assert TaskStatus.objects.filter(state=State.SUCCEEDED).count() == 3


def test_only_short_types_may() -> None:
    members = {
        "task_type": "Long",
        "permissions": (permissions.Role("member"),),
        "perform_together": classmethod(lambda _cls, _works: {}),
    }

    with pytest.raises(TypeError, match="Long has perform_together, so it must be short"):
        type("Long", (TaskHandler,), members)


def test_a_failure_in_perform_is_an_attempt_as_ever(
    drainer: Drainer, make_handler: Callable[..., Any]
) -> None:
    def perform(*_: Any) -> None:
        raise TaskFailed("No rate.")

    make_handler(
        perform, idempotent=True, short=True, perform_together=classmethod(lambda _cls, _works: {})
    )
    operations.submit_many(factories.actor(), "Played", [{}] * 2)

    drainer.drain()

    assert ends() == [(State.FAILED, None)] * 2
