"""The arrows: each walks only where the state machine leads, and only for who holds the run."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock
from backgroundtasks.lifecycle import arrows, families, flushing, store
from backgroundtasks.lifecycle.rows import Fence, Finish
from backgroundtasks.models import Attempt, AttemptOutcome, Message, Task, TaskStatus
from backgroundtasks.states import ARROWS, FINAL, HELD, PENDING, STANDING, State
from tests.support import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
FENCE = {"attempt": 1, "token": 7}


def _fence(run: TaskStatus) -> Fence:
    return Fence(run.pk, 1, 7)


def _finish(run: TaskStatus, state: State) -> bool:
    done = Finish(run.pk, 1, state, {"values": {}, "warnings": []}, 1, 2, "done", DAY)
    return run.pk in store().finish([done], token=7)


def _settle(run: TaskStatus, to: State) -> bool:
    return arrows.settle(run.pk, to, error="e", temporary=False, finished_at=None, retention=DAY)


def _all(run: TaskStatus) -> QuerySet[TaskStatus]:
    return TaskStatus.objects.filter(pk=run.pk)


def _claim(run: TaskStatus) -> bool:
    claim = store().claim(
        run.queue, most=1, token=7, worker_id=uuid.uuid4(), lease=timedelta(seconds=30)
    )
    return [claimed.id for claimed in claim.runs] == [run.pk]


WALKS: dict[str, tuple[State, Callable[[TaskStatus], Any]]] = {
    "promote_due": (State.QUEUED, lambda run: arrows.promote_due()),
    "claim": (State.RUNNING, _claim),
    "cancel_unheld": (
        State.CANCELLED,
        lambda run: arrows.cancel_unheld(_all(run), reason="r", retention=DAY),
    ),
    "request_cancel": (State.CANCELLING, lambda run: arrows.request_cancel(_all(run))),
    "request_pause": (State.PAUSING, lambda run: arrows.request_pause(run.pk)),
    "pause_waiting": (State.PAUSED, lambda run: arrows.pause_waiting(run.pk)),
    "pause_pending": (State.PAUSED, lambda run: arrows.pause_pending(_all(run))),
    "withdraw_pause": (State.RUNNING, lambda run: arrows.withdraw_pause(run.pk)),
    "settle_paused": (
        State.PAUSED,
        lambda run: arrows.settle_paused(_fence(run), error="e", outcome=AttemptOutcome.PAUSED),
    ),
    "resume": (State.QUEUED, lambda run: arrows.resume(run.pk)),
    "wait": (State.WAITING, lambda run: arrows.wait(_fence(run), progress=True)),
    "look_after": (State.QUEUED, lambda run: families.look_after([run.pk])),
    "settle_succeeded": (State.SUCCEEDED, lambda run: _settle(run, State.SUCCEEDED)),
    "settle_warned": (State.WARNED, lambda run: _settle(run, State.WARNED)),
    "settle_failed": (State.FAILED, lambda run: _settle(run, State.FAILED)),
    "settle_cancelled": (
        State.CANCELLED,
        lambda run: arrows.settle_cancelled(_fence(run), reason="r", retention=DAY),
    ),
    "fail": (
        State.FAILED,
        lambda run: arrows.fail(_fence(run), error="e", temporary=False, retention=DAY),
    ),
    "lose": (State.LOST, lambda run: arrows.lose(_fence(run), error="e", retention=DAY)),
    "schedule_next_attempt": (
        State.SCHEDULED,
        lambda run: arrows.schedule_next_attempt(
            _fence(run), run_after=clock.now(), error="e", outcome=AttemptOutcome.FAILED
        ),
    ),
    "requeue": (
        State.QUEUED,
        lambda run: arrows.requeue(_fence(run), error="e", outcome=AttemptOutcome.INTERRUPTED),
    ),
    "give_back": (State.QUEUED, lambda run: arrows.give_back([run.pk], token=7)),
    "succeed": (State.SUCCEEDED, lambda run: _finish(run, State.SUCCEEDED)),
    "warn": (State.WARNED, lambda run: _finish(run, State.WARNED)),
}
#: From where each may walk; the rest of the states it leaves as they are.
FEET = {
    "promote_due": {State.SCHEDULED},
    "claim": {State.QUEUED},
    "cancel_unheld": PENDING | STANDING,
    "request_cancel": {State.RUNNING, State.PAUSING},
    "request_pause": {State.RUNNING},
    "pause_waiting": {State.WAITING},
    "pause_pending": PENDING,
    "withdraw_pause": {State.PAUSING},
    "settle_paused": {State.PAUSING},
    "resume": {State.PAUSED},
    "wait": {State.RUNNING},
    "look_after": {State.WAITING},
    "settle_succeeded": set(State) - FINAL,
    "settle_warned": set(State) - FINAL,
    "settle_failed": set(State) - FINAL,
    "settle_cancelled": {State.CANCELLING},
    "fail": HELD,
    "lose": HELD,
    "schedule_next_attempt": {State.RUNNING},
    "requeue": {State.RUNNING},
    "give_back": {State.RUNNING},
    "succeed": HELD,
    "warn": HELD,
}


#: Where else a run goes that never began and is not wanted back.
GIVEN_BACK = {State.PAUSING: State.PAUSED, State.CANCELLING: State.CANCELLED}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", WALKS)
class TestAnArrow:
    def test_walks_from_its_feet_and_from_nowhere_else(self, name: str, state: State) -> None:
        to, walk = WALKS[name]
        run = factories.run(state, run_after=clock.now() - DAY)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        walked = walk(run)

        after = TaskStatus.objects.filter(pk=run.pk).values().get()
        if state in FEET[name]:
            assert walked
            assert after["state"] == to
            assert to in ARROWS[state]
            assert after["event"] == before["event"] + 1
            assert (after["token"] is not None) == (to in HELD)
            assert (after["lease_until"] is not None) == (to in HELD)
            assert (after["expires_at"] is not None) == (to in FINAL)
            assert (after["finished_at"] is not None) == (to in FINAL)
        elif name == "give_back" and state in HELD:
            assert after["state"] == GIVEN_BACK[state]
        else:
            assert not walked
            assert after == before
        assert Attempt.objects.count() == (
            name in {"schedule_next_attempt", "requeue", "settle_paused", "wait"}
            and state in FEET[name]
        )


def test_every_arrow_of_the_state_machine_is_walked_by_some_function() -> None:
    walked = {(foot, WALKS[name][0]) for name, feet in FEET.items() for foot in feet}

    assert walked == {(state, to) for state, targets in ARROWS.items() for to in targets}


WRITES: dict[str, Callable[[Fence], Any]] = {
    "report": lambda fence: arrows.report(fence, processed=5, total=9, text="late"),
    "say": lambda fence: arrows.say(fence, level="info", key="k", text="late", parameters={}),
    "remember": lambda fence: arrows.remember(fence, {"late": 1}),
    "renew": lambda fence: arrows.renew([fence.run_id], token=fence.token, lease=DAY),
    "fail": lambda fence: arrows.fail(fence, error="late", temporary=False, retention=DAY),
    "lose": lambda fence: arrows.lose(fence, error="late", retention=DAY),
    "settle_cancelled": lambda fence: arrows.settle_cancelled(fence, reason="late", retention=DAY),
    "schedule_next_attempt": lambda fence: arrows.schedule_next_attempt(
        fence, run_after=clock.now(), error="late", outcome=AttemptOutcome.FAILED
    ),
    "requeue": lambda fence: arrows.requeue(
        fence, error="late", outcome=AttemptOutcome.INTERRUPTED
    ),
    "settle_paused": lambda fence: arrows.settle_paused(
        fence, error="late", outcome=AttemptOutcome.PAUSED
    ),
    "wait": lambda fence: arrows.wait(fence, progress=True),
    "give_back": lambda fence: arrows.give_back([fence.run_id], token=fence.token),
    "finish": lambda fence: store().finish(
        [Finish(fence.run_id, fence.attempt, State.SUCCEEDED, None, 5, 9, "late", DAY)],
        token=fence.token,
    ),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("state", sorted(HELD))
class TestALateWrite:
    """P3: attempt and token are the fence; of a zombie nothing reaches the run."""

    def test_of_an_earlier_holder_matches_no_row(self, name: str, state: State) -> None:
        run = factories.run(state, attempt=2, token=99)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        assert not WRITES[name](Fence(run.pk, 1, 7))

        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before
        assert not Message.objects.exists()
        assert not Attempt.objects.exists()

    def test_of_the_same_attempt_with_another_token_matches_no_row(
        self, name: str, state: State
    ) -> None:
        run = factories.run(state, attempt=1, token=99)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        assert not WRITES[name](Fence(run.pk, 1, 7))

        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before


class TestPromotion:
    def test_of_a_second_keeper_leaves_a_run_alone_that_has_begun_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = factories.run(State.SCHEDULED, run_after=clock.now() - DAY)
        original = QuerySet.values_list

        def looked(self: Any, *fields: str, **how: Any) -> Any:
            found = original(self, *fields, **how)
            return type("Found", (), {"__getitem__": lambda _, part: begun(list(found[part]))})()

        def begun(ids: list[Any]) -> list[Any]:
            monkeypatch.setattr(QuerySet, "values_list", original)
            assert arrows.promote_due() == 1
            assert _claim(run)
            return ids

        monkeypatch.setattr(QuerySet, "values_list", looked)

        assert arrows.promote_due() == 0

        run.refresh_from_db()
        assert (run.state, run.attempt, run.token) == (State.RUNNING, 1, 7)

    def test_leaves_what_is_not_due(self) -> None:
        run = factories.run(State.SCHEDULED, run_after=clock.now() + DAY)

        assert arrows.promote_due() == 0
        run.refresh_from_db()
        assert run.state == State.SCHEDULED


class TestGivingBack:
    def test_is_as_if_the_run_had_not_been_claimed(self) -> None:
        run = factories.run()
        _claim(run)

        assert arrows.give_back([run.pk], token=7) == 1

        run.refresh_from_db()
        assert (run.state, run.attempt, run.interruptions) == (State.QUEUED, 0, 0)
        assert (run.started_at, run.worker_id, run.token) == (None, None, None)
        assert not Attempt.objects.exists()

    def test_cancels_what_somebody_asked_to_cancel_meanwhile(self) -> None:
        run = factories.run()
        _claim(run)
        arrows.request_cancel(_all(run))

        assert arrows.give_back([run.pk], token=7) == 0

        run.refresh_from_db()
        assert (run.state, run.error) == (State.CANCELLED, "Cancelled before it began.")
        assert (run.attempt, run.started_at, run.token) == (0, None, None)

    def test_pauses_what_somebody_asked_to_pause_meanwhile(self) -> None:
        run = factories.run()
        _claim(run)
        arrows.request_pause(run.pk)

        assert arrows.give_back([run.pk], token=7) == 0

        run.refresh_from_db()
        assert (run.state, run.attempt, run.started_at) == (State.PAUSED, 0, None)
        assert arrows.resume(run.pk)
        assert _claim(run)


class TestProgress:
    def test_never_exceeds_a_total_that_turned_out_smaller(self) -> None:
        run = factories.run(State.RUNNING, processed=8, total=10)

        arrows.report(_fence(run), processed=3, total=5, text=None)

        run.refresh_from_db()
        assert (run.processed, run.total) == (5, 5)

    def test_of_an_attempt_that_has_not_counted_yet_leaves_the_known_total(self) -> None:
        run = factories.run(State.RUNNING, processed=7, total=9)

        arrows.report(_fence(run), processed=0, total=0, text="Counting")

        run.refresh_from_db()
        assert (run.processed, run.total, run.text) == (7, 9, "Counting")

    def test_never_goes_back(self) -> None:
        run = factories.run(State.RUNNING, processed=8, total=10)

        assert arrows.report(_fence(run), processed=3, total=None, text=None) is State.RUNNING

        run.refresh_from_db()
        assert (run.processed, run.total) == (8, 10)


class TestRenewal:
    def test_tells_the_state_of_what_is_still_held(self) -> None:
        running = factories.run(State.RUNNING)
        cancelling = factories.run(State.CANCELLING)
        foreign = factories.run(State.RUNNING, token=8)
        until = clock.now() + DAY

        held = arrows.renew([running.pk, cancelling.pk, foreign.pk], token=7, lease=2 * DAY)

        assert held == {running.pk: State.RUNNING, cancelling.pk: State.CANCELLING}
        running.refresh_from_db()
        foreign.refresh_from_db()
        assert running.lease_until is not None
        assert running.lease_until > until > foreign.lease_until


class TestFlush:
    def _expired(self, **values: Any) -> TaskStatus:
        return factories.run(State.SUCCEEDED, expires_at=clock.now() - DAY, **values)

    def test_deletes_expired_runs_with_all_that_hangs_on_them(self) -> None:
        run = self._expired()
        Message.objects.create(run=run, key="k")
        Attempt.objects.create(run=run, number=1, finished_at=clock.now(), outcome="failed")
        kept = factories.run(State.SUCCEEDED)
        waiting = factories.run()

        assert flushing.flush() == 1

        assert set(TaskStatus.objects.values_list("pk", flat=True)) == {kept.pk, waiting.pk}
        assert set(Task.objects.values_list("pk", flat=True)) == {kept.task_id, waiting.task_id}
        assert not Message.objects.exists()
        assert not Attempt.objects.exists()

    def test_keeps_a_task_while_it_has_another_run(self) -> None:
        run = self._expired()
        again = factories.run(task=run.task, retry_of=run)

        flushing.flush()

        assert Task.objects.get() == again.task
        assert TaskStatus.objects.get() == again

    def test_takes_the_oldest_of_a_batch_first(self) -> None:
        runs = [self._expired() for _ in range(3)]
        TaskStatus.objects.filter(pk=runs[2].pk).update(expires_at=clock.now() - 2 * DAY)

        assert flushing.flush(limit=1) == 1
        assert not TaskStatus.objects.filter(pk=runs[2].pk).exists()
        assert flushing.flush(limit=5) == 2
        assert flushing.flush() == 0

    def test_deletes_the_messages_of_a_talkative_run_in_portions(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flushing, "_MESSAGES", 10)
        run = self._expired()
        Message.objects.bulk_create(Message(run=run, key=str(n)) for n in range(35))

        with CaptureQueriesContext(connection) as asked:
            assert flushing.flush() == 1

        deletes = [q for q in asked if 'DELETE FROM "backgroundtasks_message"' in q["sql"]]
        assert len(deletes) == 4
        assert not TaskStatus.objects.exists()
        assert not Message.objects.exists()
