"""P7: who may stop and repeat what, and what the answer says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction

from backgroundtasks import clock, exceptions, operations, queries
from backgroundtasks.lifecycle import arrows, flushing
from backgroundtasks.models import Message, Task, TaskStatus
from backgroundtasks.operations.cancel import despite_deadlocks
from backgroundtasks.operations.submit import hold_task
from backgroundtasks.states import FINAL, PENDING, State
from tests.support import factories

pytestmark = pytest.mark.django_db

_T = TypeVar("_T")


class TestCancel:
    @pytest.mark.parametrize("state", sorted(PENDING))
    def test_of_a_waiting_run_takes_effect_at_once(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)

        assert operations.cancel(actor, run.pk) is State.CANCELLED

        run.refresh_from_db()
        assert (run.state, run.error) == (
            State.CANCELLED,
            f"Cancelled by {actor.user.get_username()}.",
        )

    def test_of_a_running_run_asks_it_to_stop_and_may_be_asked_again(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)

        assert operations.cancel(actor, run.pk) is State.CANCELLING
        assert operations.cancel(actor, run.pk) is State.CANCELLING

        run.refresh_from_db()
        assert run.state == State.CANCELLING
        assert run.cancel_requested_at is not None
        (message,) = Message.objects.filter(run=run)
        assert message.key == "run.cancel_requested"

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_of_a_finished_run_is_refused_and_changes_nothing(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        with pytest.raises(exceptions.TransitionRefused) as refusal:
            operations.cancel(actor, run.pk)

        assert str(refusal.value) == f"The run {run.pk} is {state}; it cannot become cancelled."
        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before

    def test_that_meets_the_claim_asks_the_running_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        actor = factories.actor()
        run = factories.run(owner=actor)
        cancel = arrows.cancel_unheld

        def too_late(*arguments: Any, **values: Any) -> bool:
            TaskStatus.objects.filter(pk=run.pk).update(state=State.RUNNING, token=1)
            return cancel(*arguments, **values)

        monkeypatch.setattr(arrows, "cancel_unheld", too_late)

        assert operations.cancel(actor, run.pk) is State.CANCELLING

    def test_is_refused_to_who_may_not_start_the_type(self) -> None:
        run = factories.run()
        viewer = factories.actor("viewer", account=run.account)

        with pytest.raises(exceptions.PermissionRefused) as refusal:
            operations.cancel(viewer, run.pk)

        assert str(refusal.value) == (
            "You may not cancel it: it needs the role member in the account."
        )


class TestRetry:
    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_makes_a_new_run_of_the_task_and_leaves_the_old_one(self, state: State) -> None:
        actor = factories.actor()
        old = factories.run(state, owner=actor, parameters={"Steps": 2}, priority=4)

        submission = operations.retry(actor, old.pk)

        new = TaskStatus.objects.get(pk=submission.run_id)
        assert (new.state, new.attempt, new.task_id, new.retry_of_id, new.priority) == (
            State.QUEUED,
            0,
            old.task_id,
            old.pk,
            4,
        )
        old.refresh_from_db()
        assert old.state == state
        assert Message.objects.get(run=old).parameters == {"run": str(new.pk)}

    @pytest.mark.parametrize("state", sorted(set(State) - FINAL))
    def test_of_an_unfinished_run_is_refused(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)

        with pytest.raises(exceptions.TransitionRefused):
            operations.retry(actor, run.pk)

        assert TaskStatus.objects.count() == 1

    def test_of_what_is_flushed_at_that_moment_finds_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        actor = factories.actor()
        old = factories.run(State.FAILED, owner=actor)
        find = queries.get_run

        def flushed_meanwhile(*arguments: Any) -> TaskStatus:
            found = find(*arguments)
            TaskStatus.objects.update(expires_at=clock.now() - timedelta(days=1))
            assert flushing.flush() == 1
            return found

        monkeypatch.setattr(queries, "get_run", flushed_meanwhile)

        with pytest.raises(exceptions.RunNotFound):
            operations.retry(actor, old.pk)

        assert not TaskStatus.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_the_task_that_is_being_retried() -> None:
    old = factories.run(State.FAILED, expires_at=clock.now() - timedelta(days=1))

    with ThreadPoolExecutor(1) as other, transaction.atomic():
        assert hold_task(old.task_id)
        assert other.submit(_in_a_connection_of_its_own, flushing.flush).result() == 1

    assert not TaskStatus.objects.exists()
    assert Task.objects.filter(pk=old.task_id).exists()


def _in_a_connection_of_its_own(do: Callable[[], _T]) -> _T:
    try:
        return do()
    finally:
        connection.close()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_two_who_wait_for_each_other_both_come_through() -> None:
    runs = [factories.run().pk for _ in range(2)]
    gate = threading.Barrier(2)
    tries: list[str] = []

    def lock_both(name: str, order: list[UUID]) -> None:
        tries.append(name)
        for place, run_id in enumerate(order):
            TaskStatus.objects.select_for_update().get(pk=run_id)
            if place == 0 and tries.count(name) == 1:
                gate.wait(timeout=30)

    def work(name: str, order: list[UUID]) -> None:
        try:
            despite_deadlocks(lambda: lock_both(name, order))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(work, "up", runs), pool.submit(work, "down", runs[::-1])]

    assert [done.exception() for done in both] == [None, None]
    # One of them at least had to come again; it may have been quicker than the other once more.
    assert len(tries) >= 3
