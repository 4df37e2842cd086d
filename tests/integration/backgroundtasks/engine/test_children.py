"""Parents and children: started once, waited for without a worker, ended together."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from backgroundtasks import clock, exceptions, operations
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import Outcome, TaskFailed
from backgroundtasks.handlers.context import Cancelled, LeaseLost
from backgroundtasks.lifecycle import arrows, families, flushing, store
from backgroundtasks.lifecycle.rows import Fence, Finish
from backgroundtasks.models import Attempt, Message, TaskStatus
from backgroundtasks.operations import Settlement
from backgroundtasks.operations.start_child import start_child
from backgroundtasks.states import FINAL, HELD, PENDING, State
from backgroundtasks.worker.keeper import Keeper
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def _drain(drainer: Drainer, rounds: int = 10) -> None:
    """Work until nothing is left; a parent that is woken at the end takes another round."""
    for _ in range(rounds):
        if not drainer.drain():
            return


def _submit(task_type: str = "Family", **parameters: Any) -> TaskStatus:
    run_id = operations.submit(factories.actor(), task_type, parameters).run_id
    return TaskStatus.objects.get(pk=run_id)


def _children(run: TaskStatus) -> list[TaskStatus]:
    return list(TaskStatus.objects.filter(parent=run).order_by("child_number"))


def _family(
    *states: State, state: State = State.WAITING, **values: Any
) -> tuple[TaskStatus, list[TaskStatus]]:
    """Return a parent with a child in each state."""
    owner = factories.actor()
    parent = factories.run(state, owner=owner, task_type="Family", **values)
    children = [
        factories.run(
            child, owner=owner, parent=parent, child_key=f"child-{number}", child_number=number
        )
        for number, child in enumerate(states)
    ]
    return parent, children


class TestAFamily:
    def test_ends_with_the_results_of_its_children_in_the_order_of_their_start(
        self, drainer: Drainer
    ) -> None:
        parent = _submit(Children=3, Orders={"Result": {"A": 1}})

        _drain(drainer)

        parent.refresh_from_db()
        assert parent.state == State.SUCCEEDED
        assert parent.result["values"] == {
            "States": ["succeeded"] * 3,
            "Results": [{"A": 1}] * 3,
            "Errors": [""] * 3,
        }
        children = _children(parent)
        assert [child.child_key for child in children] == ["child-0", "child-1", "child-2"]
        assert [child.child_number for child in children] == [0, 1, 2]
        for number, child in enumerate(children):
            assert (child.task.origin, child.task.title) == ("parent", f"Child {number}")
            assert child.task.labels == {"number": str(number)}
            assert (child.owner_id, child.account_id) == (parent.owner_id, parent.account_id)

    def test_waits_without_a_worker_and_uses_up_no_attempt(self, drainer: Drainer) -> None:
        operations.pause_queue("side")
        parent = _submit(Type="SideWork")

        _drain(drainer)

        parent.refresh_from_db()
        assert (parent.state, parent.token, parent.lease_until) == (State.WAITING, None, None)
        assert (parent.attempt, parent.interruptions) == (1, 1)
        assert [(a.number, a.outcome) for a in Attempt.objects.filter(run=parent)] == [
            (1, "waited")
        ]
        operations.resume_queue("side")
        _drain(drainer)
        parent.refresh_from_db()
        assert (parent.state, parent.attempt) == (State.SUCCEEDED, 2)

    @pytest.mark.parametrize("task_type", ["Family", "FamilyOnce"])
    def test_may_be_waited_for_by_a_handler_that_may_not_run_again(
        self, drainer: Drainer, task_type: str
    ) -> None:
        parent = _submit(task_type)

        _drain(drainer)

        parent.refresh_from_db()
        assert parent.state == State.SUCCEEDED

    def test_of_three_generations_ends(self, drainer: Drainer) -> None:
        parent = _submit(Type="Family", Orders={"Children": 2, "Orders": {"Steps": 1}})

        _drain(drainer)

        assert TaskStatus.objects.count() == 7
        assert not TaskStatus.objects.exclude(state=State.SUCCEEDED).exists()
        parent.refresh_from_db()
        # One step of each grandchild.
        assert (parent.processed, parent.total) == (4, 4)

    def test_tells_the_parent_how_a_child_failed(self, drainer: Drainer) -> None:
        parent = _submit(Children=1, Orders={"Fail": "No."})

        _drain(drainer)

        parent.refresh_from_db()
        assert parent.state == State.SUCCEEDED
        assert parent.result["values"]["States"] == ["failed"]
        assert parent.result["values"]["Errors"] == ["No."]

    def test_passes_at_once_when_its_children_have_ended(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> Outcome:
            context.wait_for_children()
            return Outcome()

        make_handler(perform)

        parent = _submit("Played")
        _drain(drainer)

        parent.refresh_from_db()
        assert (parent.state, parent.attempt) == (State.SUCCEEDED, 1)

    def test_that_ended_between_the_look_and_the_wait_still_wakes_its_parent(
        self, make_handler: Any, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wait = arrows.wait

        def late(fence: Fence, *, progress: bool) -> bool:
            # As if another worker had done it at this very moment.
            child = TaskStatus.objects.filter(parent_id=fence.run_id)
            child.update(state=State.SUCCEEDED, finished_at=clock.now())
            return wait(fence, progress=progress)

        monkeypatch.setattr(arrows, "wait", late)
        parent = _submit(Children=1)

        _drain(drainer)

        parent.refresh_from_db()
        assert (parent.state, parent.attempt) == (State.SUCCEEDED, 2)


class TestStartingAChild:
    def test_twice_with_one_key_gives_the_run_that_was_started_first(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        started: list[UUID] = []

        def perform(context: Any, _: Any) -> None:
            started.append(context.start_child("Work", {"Steps": 1}, key="a"))
            started.append(context.start_child("Work", {"Steps": 2}, key="a"))
            if context.attempt == 1:
                raise TaskFailed("Again.", temporary=True)

        make_handler(perform, idempotent=True, backoff=timedelta(0.0001))
        parent = _submit("Played")

        _drain(drainer)
        TaskStatus.objects.filter(state=State.SCHEDULED).update(run_after=clock.now() - DAY)
        arrows.promote_due()
        _drain(drainer)

        (child,) = _children(parent)
        assert started == [child.pk] * 4
        assert child.task.parameters["Steps"] == 1

    @pytest.mark.parametrize("state", sorted(set(State) - HELD))
    def test_of_a_run_that_is_no_longer_held_is_refused(self, state: State) -> None:
        parent = factories.run(state, attempt=1)

        with pytest.raises(LeaseLost):
            self._start(parent)

        assert not _children(parent)

    def test_of_a_run_that_is_being_cancelled_stops_it_there(self) -> None:
        parent = factories.run(State.CANCELLING)

        with pytest.raises(Cancelled):
            self._start(parent)

        assert not _children(parent)

    def test_of_another_attempt_is_refused(self) -> None:
        parent = factories.run(State.RUNNING, attempt=2)

        with pytest.raises(LeaseLost):
            self._start(parent)

    def test_asks_for_what_any_submission_asks(self) -> None:
        parent = factories.run(State.RUNNING)

        for task_type, parameters, error in [
            ("Nothing", {}, exceptions.TaskTypeUnknown),
            ("NobodysWork", {}, exceptions.PermissionRefused),
            ("Work", {"Bogus": 1}, exceptions.ParametersInvalid),
        ]:
            with pytest.raises(error):
                self._start(parent, task_type, parameters)

        assert not _children(parent)

    def test_that_would_wait_for_ever_for_a_key_above_it_is_refused(self) -> None:
        owner = factories.actor()
        grandparent = operations.submit(owner, "Family", {"Key": "k"}).run_id
        TaskStatus.objects.filter(pk=grandparent).update(state=State.WAITING)
        parent = factories.run(State.RUNNING, owner=owner, parent_id=grandparent, child_key="p")

        with pytest.raises(exceptions.RunConflict, match="would wait for ever"):
            self._start(parent, "Family", {"Key": "k"})

        assert self._start(parent, "Family", {"Key": "other"})

    def test_within_a_transaction_of_the_handler_fails_and_says_why(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            with transaction.atomic():
                context.start_child("Work", key="a")

        make_handler(perform)
        parent = _submit("Played")

        drainer.drain()

        parent.refresh_from_db()
        assert parent.error == "RuntimeError: Children are started outside of transactions."

    @pytest.mark.parametrize("key", ["", "k" * 101])
    def test_needs_a_key_that_can_be_stored(
        self, make_handler: Any, drainer: Drainer, key: str
    ) -> None:
        make_handler(lambda context, _: context.start_child("Work", key=key))
        parent = _submit("Played")

        drainer.drain()

        parent.refresh_from_db()
        assert parent.state == State.FAILED
        assert "1 to 100 characters" in parent.error

    @pytest.mark.parametrize("racer", ["same key", "cancel"])
    def test_at_one_moment_with_another_gives_one_child_or_none_unseen(self, racer: str) -> None:
        owner = factories.actor()
        for _ in range(10):
            parent = factories.run(State.RUNNING, owner=owner, task_type="Family")
            gate = threading.Barrier(2)
            started: list[UUID] = []

            def start(
                parent: TaskStatus = parent,
                gate: threading.Barrier = gate,
                started: list[UUID] = started,
            ) -> None:
                try:
                    gate.wait(timeout=30)
                    started.append(self._start(parent))
                except Cancelled:
                    pass
                finally:
                    connection.close()

            def cancel(parent: TaskStatus = parent, gate: threading.Barrier = gate) -> None:
                try:
                    gate.wait(timeout=30)
                    operations.cancel(owner, parent.pk)
                finally:
                    connection.close()

            threads = [
                threading.Thread(target=start),
                threading.Thread(target=start if racer == "same key" else cancel),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            if racer == "same key":
                (child,) = _children(parent)
                assert started == [child.pk, child.pk]
            else:
                assert {child.state for child in _children(parent)} <= {State.CANCELLED}
                assert [child.pk for child in _children(parent)] == started

    def _start(
        self,
        parent: TaskStatus,
        task_type: str = "Work",
        parameters: dict[str, Any] | None = None,
    ) -> UUID:
        from backgroundtasks.queries import actor_of

        assert parent.owner is not None
        return start_child(
            Fence(parent.pk, 1, 7),
            actor_of(parent.owner, parent.account_id),
            task_type,
            parameters or {},
            key="a",
            number=0,
        )


class TestTheLastChild:
    """Whoever ends it, and however: its parent is queued again."""

    @pytest.mark.parametrize(
        "end",
        [
            lambda run: arrows.fail(Fence(run.pk, 1, 7), error="e", temporary=False, retention=DAY),
            lambda run: arrows.lose(Fence(run.pk, 1, 7), error="e", retention=DAY),
            lambda run: (
                arrows.settle_cancelled(Fence(run.pk, 1, 7), reason="r", retention=DAY)
                if arrows.request_cancel(TaskStatus.objects.filter(pk=run.pk))
                else None
            ),
            lambda run: arrows.settle(
                run.pk,
                State.SUCCEEDED,
                error="",
                temporary=False,
                finished_at=None,
                retention=DAY,
            ),
        ],
        ids=["fail", "lose", "settle_cancelled", "settle"],
    )
    def test_wakes_its_parent_when_it_ends_otherwise_than_well(self, end: Any) -> None:
        parent, (_, child) = _family(State.SUCCEEDED, State.RUNNING)

        end(child)

        parent.refresh_from_db()
        assert parent.state == State.QUEUED
        assert parent.run_after > parent.queued_at

    def test_wakes_its_parent_when_it_is_cancelled_before_it_began(self) -> None:
        parent, (child,) = _family(State.QUEUED)

        operations.cancel(factories.actor("admin", parent.account), child.pk)

        parent.refresh_from_db()
        assert parent.state == State.QUEUED

    @pytest.mark.parametrize("unfinished", sorted(set(State) - FINAL))
    def test_is_not_an_earlier_one(self, unfinished: State) -> None:
        parent, (child, _) = _family(State.RUNNING, unfinished)

        arrows.fail(Fence(child.pk, 1, 7), error="e", temporary=False, retention=DAY)
        families.look_after_all()

        parent.refresh_from_db()
        assert parent.state == State.WAITING

    @pytest.mark.parametrize("state", sorted(set(State) - {State.WAITING}))
    def test_leaves_a_parent_alone_that_does_not_wait(self, state: State) -> None:
        parent, (child,) = _family(State.RUNNING, state=state)

        arrows.fail(Fence(child.pk, 1, 7), error="e", temporary=False, retention=DAY)
        families.look_after_all()

        parent.refresh_from_db()
        assert parent.state == state

    def test_that_ended_when_its_worker_was_killed_is_noticed_by_the_keeper(self) -> None:
        parent, (child,) = _family(State.RUNNING)
        # The finish is stored; whoever did that died before it looked after the parent.
        store().finish([Finish(child.pk, 1, State.SUCCEEDED, None, 1, 1, "", DAY)], token=7)
        parent.refresh_from_db()
        assert parent.state == State.WAITING

        Keeper().round()

        parent.refresh_from_db()
        assert parent.state == State.QUEUED

    def test_and_the_one_before_it_do_not_miss_each_other(self) -> None:
        for _ in range(10):
            parent, children = _family(State.RUNNING, State.RUNNING)
            gate = threading.Barrier(2)

            def fail(child: TaskStatus, gate: threading.Barrier = gate) -> None:
                try:
                    gate.wait(timeout=30)
                    arrows.fail(Fence(child.pk, 1, 7), error="e", temporary=False, retention=DAY)
                finally:
                    connection.close()

            threads = [threading.Thread(target=fail, args=(child,)) for child in children]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            parent.refresh_from_db()
            assert parent.state == State.QUEUED


class TestProgress:
    def test_of_a_waiting_run_is_its_childrens_together(self) -> None:
        parent, children = _family(
            State.SUCCEEDED, State.FAILED, State.RUNNING, State.QUEUED, progress_of_children=True
        )
        counts = [(10, 10), (0, 0), (3, 20), (0, 0)]
        for child, (processed, total) in zip(children, counts, strict=True):
            TaskStatus.objects.filter(pk=child.pk).update(processed=processed, total=total)

        Keeper().round()

        after = TaskStatus.objects.get(pk=parent.pk)
        assert (after.processed, after.total) == (10 + 1 + 3 + 0, 10 + 1 + 20 + 1)
        assert after.event == parent.event + 1
        Keeper().round()
        assert TaskStatus.objects.get(pk=parent.pk).event == after.event

    def test_is_written_with_the_end_of_a_child_unless_that_was_done_a_moment_ago(self) -> None:
        parent, children = _family(
            State.RUNNING, State.RUNNING, State.RUNNING, progress_of_children=True
        )
        TaskStatus.objects.filter(pk=parent.pk).update(modified_at=clock.now() - DAY)

        for child in children[:2]:
            arrows.fail(Fence(child.pk, 1, 7), error="e", temporary=False, retention=DAY)

        parent.refresh_from_db()
        assert (parent.processed, parent.total) == (1, 3)
        arrows.fail(Fence(children[2].pk, 1, 7), error="e", temporary=False, retention=DAY)
        parent.refresh_from_db()
        assert (parent.state, parent.processed, parent.total) == (State.QUEUED, 3, 3)

    def test_stays_the_handlers_own_when_it_wants_that(self) -> None:
        parent, _ = _family(State.SUCCEEDED, State.RUNNING, processed=5, total=9)

        families.look_after_all()

        parent.refresh_from_db()
        assert (parent.processed, parent.total) == (5, 9)

    def test_of_many_families_takes_no_more_statements(
        self, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(5):
            _family(State.SUCCEEDED, State.RUNNING, progress_of_children=True)

        with django_assert_max_num_queries(4):
            families.look_after_all()

        waiting = TaskStatus.objects.filter(state=State.WAITING)
        assert set(waiting.values_list("processed", "total")) == {(1, 2)}


class TestEndingAParent:
    @pytest.mark.parametrize("how", ["cancel", "settled as cancelled", "settled as good"])
    @pytest.mark.parametrize("state", [State.WAITING, State.PAUSED, State.RUNNING, State.PAUSING])
    def test_by_a_person_cancels_all_that_is_unfinished_below_it(
        self, how: str, state: State
    ) -> None:
        parent, children = _family(
            State.SUCCEEDED, *sorted(PENDING), State.RUNNING, State.WAITING, state=state
        )
        owner = factories.actor("admin", parent.account, username="ann")
        below = [
            factories.run(State.QUEUED, owner=owner, parent=child, child_key="x", child_number=0)
            for child in (children[0], children[-1])
        ]

        if how == "cancel":
            operations.cancel(owner, parent.pk)
        else:
            to = State.CANCELLED if how == "settled as cancelled" else State.SUCCEEDED
            operations.settle(owner, parent.pk, lambda _: Settlement(to))

        for child in [*children, *below]:
            child.refresh_from_db()
        assert [child.state for child in children] == [
            State.SUCCEEDED,
            State.CANCELLED,
            State.CANCELLED,
            State.CANCELLING,
            State.CANCELLED,
        ]
        assert {run.state for run in below} == {State.CANCELLED}
        assert below[0].error == "Cancelled with the run that started it, by ann."
        assert Message.objects.get(run=children[3]).text == "ann asked to cancel."

    def test_otherwise_leaves_its_children_alone(self) -> None:
        parent, (child,) = _family(State.QUEUED, state=State.RUNNING)

        arrows.fail(Fence(parent.pk, 1, 7), error="e", temporary=False, retention=DAY)

        child.refresh_from_db()
        assert child.state == State.QUEUED

    def test_that_is_paused_keeps_it_asleep_until_it_is_resumed(self, drainer: Drainer) -> None:
        owner = factories.actor()
        operations.pause_queue("side")
        parent_id = operations.submit(owner, "Family", {"Type": "SideWork"}).run_id
        _drain(drainer)
        assert operations.pause(owner, parent_id) is State.PAUSED

        operations.resume_queue("side")
        _drain(drainer)
        parent = TaskStatus.objects.get(pk=parent_id)
        assert parent.state == State.PAUSED
        assert {child.state for child in _children(parent)} == {State.SUCCEEDED}

        assert operations.resume(owner, parent_id) is State.QUEUED
        _drain(drainer)
        parent.refresh_from_db()
        assert parent.state == State.SUCCEEDED

    def test_that_is_resumed_too_early_waits_again(self, drainer: Drainer) -> None:
        owner = factories.actor()
        operations.pause_queue("side")
        parent_id = operations.submit(owner, "Family", {"Type": "SideWork"}).run_id
        _drain(drainer)
        operations.pause(owner, parent_id)

        operations.resume(owner, parent_id)
        _drain(drainer)

        parent = TaskStatus.objects.get(pk=parent_id)
        assert (parent.state, parent.attempt) == (State.WAITING, 2)
        assert len(_children(parent)) == 2


class TestFlush:
    def test_keeps_the_children_of_an_unfinished_run(self) -> None:
        parent, (child,) = _family(State.SUCCEEDED)
        TaskStatus.objects.filter(pk=child.pk).update(expires_at=clock.now() - DAY)

        assert flushing.flush() == 0

        TaskStatus.objects.filter(pk=parent.pk).update(state=State.SUCCEEDED)
        assert flushing.flush() == 1

    def test_takes_those_whose_parent_is_gone(self) -> None:
        parent, (child,) = _family(State.SUCCEEDED, state=State.SUCCEEDED)
        TaskStatus.objects.update(expires_at=clock.now() - DAY)
        TaskStatus.objects.filter(pk=parent.pk).delete()

        assert flushing.flush() == 1
        assert not TaskStatus.objects.filter(pk=child.pk).exists()


def test_a_retry_of_a_parent_starts_children_of_its_own(drainer: Drainer) -> None:
    owner = factories.actor()
    first = operations.submit(owner, "Family", {"Children": 1}).run_id
    _drain(drainer)

    again = operations.retry(owner, first).run_id
    _drain(drainer)

    assert TaskStatus.objects.get(pk=again).state == State.SUCCEEDED
    assert TaskStatus.objects.filter(parent_id=first).count() == 1
    assert TaskStatus.objects.filter(parent_id=again).count() == 1


def test_a_look_after_families_costs_one_question_when_none_waits(
    django_assert_num_queries: Any,
) -> None:
    factories.run(State.RUNNING)

    with django_assert_num_queries(1):
        families.look_after_all()
