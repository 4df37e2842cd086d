"""An operator says how a run ends."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from backgroundtasks import clock, exceptions, operations
from backgroundtasks.lifecycle import store
from backgroundtasks.lifecycle.rows import Finish
from backgroundtasks.models import Message, TaskStatus
from backgroundtasks.operations import Settlement
from backgroundtasks.states import FINAL, HELD, PENDING, STANDING, State
from tests.support import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ENDS = [State.SUCCEEDED, State.WARNED, State.FAILED]


def _as(state: State, **values: Any) -> Any:
    return lambda _run: Settlement(state, **values)


class TestSettling:
    @pytest.mark.parametrize("state", sorted(set(State) - FINAL))
    @pytest.mark.parametrize("to", ENDS)
    def test_ends_any_unfinished_run(self, state: State, to: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)

        settled = operations.settle(actor, run.pk, _as(to))

        assert (settled.state, settled.token, settled.lease_until) == (to, None, None)
        assert settled.event > run.event
        assert settled.finished_at is not None
        assert settled.expires_at is not None
        assert settled.expires_at - settled.finished_at > 89 * DAY
        (message,) = Message.objects.filter(run=run)
        assert (message.key, message.text) == (
            "run.settled",
            f"{actor.user.get_username()} set it to {to}.",
        )

    def test_keeps_the_reason_and_the_moment_that_it_is_given(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)
        ended = clock.now() - DAY

        settled = operations.settle(
            actor,
            run.pk,
            _as(State.FAILED, error="The disk is full.", temporary=True, finished_at=ended),
        )

        assert (settled.error, settled.temporary, settled.finished_at) == (
            "The disk is full.",
            True,
            ended,
        )
        assert settled.expires_at is not None
        assert settled.expires_at > clock.now() + 89 * DAY

    def test_as_failed_without_a_reason_says_who_did_it(self) -> None:
        actor = factories.actor(username="ann")
        run = factories.run(owner=actor)

        assert operations.settle(actor, run.pk, _as(State.FAILED)).error == "Set to failed by ann."

    def test_as_good_says_nothing_of_an_error(self) -> None:
        actor = factories.actor()
        run = factories.run(owner=actor)

        settled = operations.settle(actor, run.pk, _as(State.SUCCEEDED, error="x", temporary=True))

        assert (settled.error, settled.temporary) == ("", False)

    @pytest.mark.parametrize("state", sorted(PENDING | STANDING))
    def test_as_cancelled_takes_effect_at_once_when_no_worker_holds_it(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)

        assert operations.settle(actor, run.pk, _as(State.CANCELLED)).state == State.CANCELLED

    @pytest.mark.parametrize("state", sorted(HELD))
    def test_as_cancelled_asks_the_worker_that_holds_it(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)

        settled = operations.settle(actor, run.pk, _as(State.CANCELLED))

        assert settled.state == State.CANCELLING
        assert settled.cancel_requested_at is not None
        assert settled.token == 7

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_of_a_finished_run_is_refused_and_changes_nothing(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        with pytest.raises(exceptions.TransitionRefused):
            operations.settle(actor, run.pk, _as(State.FAILED))

        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before
        assert operations.settle(actor, run.pk, lambda _: None).state == state

    def test_lets_the_caller_look_first_and_change_nothing(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()
        seen: list[TaskStatus] = []

        assert operations.settle(actor, run.pk, seen.append) == run  # type: ignore[arg-type]

        assert (seen[0].pk, seen[0].task.pk) == (run.pk, run.task_id)
        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before

    def test_changes_nothing_when_the_caller_s_decision_fails(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        with pytest.raises(ZeroDivisionError):
            operations.settle(actor, run.pk, lambda _: 1 / 0)  # type: ignore[arg-type,return-value]

        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before

    def test_is_not_for_strangers_nor_for_who_may_not_start_the_type(self) -> None:
        run = factories.run()
        viewer = factories.actor("viewer", account=run.account)

        with pytest.raises(exceptions.RunNotFound):
            operations.settle(factories.actor(), run.pk, _as(State.FAILED))
        with pytest.raises(exceptions.RunNotFound):
            operations.settle(factories.actor(), uuid4(), _as(State.FAILED))
        with pytest.raises(exceptions.PermissionRefused):
            operations.settle(viewer, run.pk, _as(State.FAILED))

        run.refresh_from_db()
        assert run.state == State.QUEUED

    @pytest.mark.parametrize("state", sorted(set(State) - {*ENDS, State.CANCELLED}))
    def test_is_only_to_ends_that_somebody_can_decree(self, state: State) -> None:
        with pytest.raises(ValueError, match="cannot be settled"):
            Settlement(state)

    def test_fences_the_worker_that_held_it(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)

        operations.settle(actor, run.pk, _as(State.FAILED))

        late = Finish(run.pk, 1, State.SUCCEEDED, {"values": {}, "warnings": []}, 1, 1, "", DAY)
        assert store().finish([late], token=7) == frozenset()
        run.refresh_from_db()
        assert run.state == State.FAILED


@pytest.mark.django_db(transaction=True)
def test_of_two_that_settle_and_a_worker_that_finishes_at_one_moment_one_wins() -> None:
    actor = factories.actor()
    for _ in range(10):
        run = factories.run(State.RUNNING, owner=actor)
        won: list[str] = []
        gate = threading.Barrier(3)

        def settle(to: State, run: TaskStatus = run, won: list[str] = won) -> None:
            operations.settle(actor, run.pk, _as(to))
            won.append(to)

        def finish(run: TaskStatus = run, won: list[str] = won) -> None:
            done = Finish(run.pk, 1, State.SUCCEEDED, None, 1, 1, "", DAY)
            if store().finish([done], token=7):
                won.append("succeeded")

        def at_once(do: Any, *arguments: Any, gate: threading.Barrier = gate) -> None:
            try:
                gate.wait(timeout=30)
                do(*arguments)
            except exceptions.TransitionRefused:
                pass
            finally:
                connection.close()

        threads = [
            threading.Thread(target=at_once, args=(settle, State.FAILED)),
            threading.Thread(target=at_once, args=(settle, State.WARNED)),
            threading.Thread(target=at_once, args=(finish,)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        run.refresh_from_db()
        assert won == [run.state]
