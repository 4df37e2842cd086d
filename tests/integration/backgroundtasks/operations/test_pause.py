"""Who may let a run stand still and go on, and what the answer says."""

from __future__ import annotations

from typing import Any

import pytest

from backgroundtasks import exceptions, operations
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import Message, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories

pytestmark = pytest.mark.django_db


def _said(run: TaskStatus) -> list[tuple[str, str]]:
    return list(Message.objects.filter(run=run).order_by("pk").values_list("key", "text"))


class TestPause:
    def test_asks_a_running_one_to_stop_at_its_next_safe_checkpoint(self) -> None:
        actor = factories.actor(username="ann")
        run = factories.run(State.RUNNING, owner=actor, task_type="PausableWork")

        assert operations.pause(actor, run.pk) is State.PAUSING
        assert operations.pause(actor, run.pk) is State.PAUSING

        run.refresh_from_db()
        assert (run.state, run.token) == (State.PAUSING, 7)
        assert _said(run) == [("run.pause_requested", "ann asked to pause.")]

    def test_takes_effect_at_once_when_the_run_waits_for_its_children(self) -> None:
        actor = factories.actor(username="ann")
        run = factories.run(State.WAITING, owner=actor)

        assert operations.pause(actor, run.pk) is State.PAUSED
        assert operations.pause(actor, run.pk) is State.PAUSED

        assert _said(run) == [("run.paused", "ann paused it.")]

    def test_is_refused_to_a_handler_that_does_not_say_where(self) -> None:
        actor = factories.actor()
        run = factories.run(State.RUNNING, owner=actor)

        with pytest.raises(exceptions.NotPausable) as refusal:
            operations.pause(actor, run.pk)

        assert str(refusal.value) == (
            "A Work cannot be paused while it runs: its handler does not say where."
        )
        assert not _said(run)

    @pytest.mark.parametrize(
        "state", sorted(set(State) - {State.RUNNING, State.WAITING, State.PAUSING, State.PAUSED})
    )
    def test_of_a_run_that_does_not_go_on_is_refused_and_says_what_to_do(
        self, state: State
    ) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor, task_type="PausableWork")
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        with pytest.raises(exceptions.TransitionRefused) as refusal:
            operations.pause(actor, run.pk)

        assert f"is {state}; it cannot become paused." in str(refusal.value)
        assert ("pause its queue" in str(refusal.value)) == (state in {"queued", "scheduled"})
        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before

    def test_that_meets_the_end_of_a_wait_asks_the_running_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        actor = factories.actor()
        run = factories.run(State.WAITING, owner=actor, task_type="PausableWork")
        pause = arrows.pause_waiting

        def too_late(run_id: Any) -> bool:
            TaskStatus.objects.filter(pk=run.pk).update(state=State.RUNNING, token=1)
            return pause(run_id)

        monkeypatch.setattr(arrows, "pause_waiting", too_late)

        assert operations.pause(actor, run.pk) is State.PAUSING


class TestResume:
    def test_queues_a_paused_run(self) -> None:
        actor = factories.actor(username="ann")
        run = factories.run(State.PAUSED, owner=actor, memory={"step": 4})

        assert operations.resume(actor, run.pk) is State.QUEUED

        run.refresh_from_db()
        assert (run.state, run.memory) == (State.QUEUED, {"step": 4})
        assert run.run_after > run.queued_at
        assert _said(run) == [("run.resumed", "ann resumed it.")]

    def test_takes_a_pause_back_that_has_not_taken_effect(self) -> None:
        actor = factories.actor()
        run = factories.run(State.PAUSING, owner=actor)

        assert operations.resume(actor, run.pk) is State.RUNNING

        run.refresh_from_db()
        assert (run.state, run.token) == (State.RUNNING, 7)

    @pytest.mark.parametrize("state", sorted(set(State) - {State.PAUSING, State.PAUSED}))
    def test_of_a_run_that_is_not_paused_is_refused_and_changes_nothing(self, state: State) -> None:
        actor = factories.actor()
        run = factories.run(state, owner=actor)
        before = TaskStatus.objects.filter(pk=run.pk).values().get()

        with pytest.raises(exceptions.TransitionRefused, match="Only paused runs are resumed"):
            operations.resume(actor, run.pk)

        assert TaskStatus.objects.filter(pk=run.pk).values().get() == before


@pytest.mark.parametrize("do", [operations.pause, operations.resume])
@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSING, State.PAUSED])
def test_is_not_for_strangers_nor_for_who_may_not_start_the_type(do: Any, state: State) -> None:
    run = factories.run(state, task_type="PausableWork")
    viewer = factories.actor("viewer", account=run.account)

    with pytest.raises(exceptions.RunNotFound):
        do(factories.actor(), run.pk)
    with pytest.raises(exceptions.PermissionRefused):
        do(viewer, run.pk)

    run.refresh_from_db()
    assert run.state == state
    assert not _said(run)


@pytest.mark.parametrize("state", [State.PAUSING, State.PAUSED, State.WAITING])
def test_a_run_that_stands_still_keeps_its_exclusive_key(state: State) -> None:
    actor = factories.actor()
    first = operations.submit(actor, "OneAtATime", {"Key": "k"})
    TaskStatus.objects.filter(pk=first.run_id).update(state=state)

    with pytest.raises(exceptions.ExclusiveRunExists):
        operations.submit(actor, "OneAtATime", {"Key": "k"})


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_finished_run_frees_it(state: State) -> None:
    actor = factories.actor()
    first = operations.submit(actor, "OneAtATime", {"Key": "k"})
    TaskStatus.objects.filter(pk=first.run_id).update(state=state)

    assert operations.submit(actor, "OneAtATime", {"Key": "k"}).created
