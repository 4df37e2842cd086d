"""P8: SIGTERM claims nothing new, gives running work its grace, and exits with the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from backgroundtasks import operations
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


#: Both are longer than any wait of a test: on busy cores neither ends by itself.
UNHURRIED = {"LEASE": 90.0, "STOP_GRACE": 90.0}


def _state(run_id: object) -> str:
    return TaskStatus.objects.values_list("state", flat=True).get(pk=run_id)


def test_work_that_ends_within_the_grace_ends_well(tmp_path: Path) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    with WorkerCommand(**UNHURRIED) as command:
        submission = operations.submit(
            factories.actor(), "Work", {"Until": str(gate), "Mark": str(mark)}
        )
        wait_for(lambda: read_marks(mark), "the handler to begin")

        command.ask_to_stop()
        assert _state(submission.run_id) == State.RUNNING
        gate.touch()
        assert command.process.wait(30) == 0
        assert _state(submission.run_id) == State.SUCCEEDED


def test_nothing_new_is_claimed(tmp_path: Path) -> None:
    actor = factories.actor()
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    with WorkerCommand(workers=1, **UNHURRIED) as command:
        operations.submit(actor, "Work", {"Until": str(gate), "Mark": str(mark)})
        wait_for(lambda: read_marks(mark), "the handler to begin")
        second = operations.submit(actor, "Work", {})

        command.ask_to_stop()
        gate.touch()
        assert command.process.wait(30) == 0
        assert _state(second.run_id) == State.QUEUED


def test_a_safe_checkpoint_hands_the_run_back_at_once_and_it_goes_on_later(tmp_path: Path) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    actor = factories.actor()
    orders = {"Steps": 100_000, "Until": str(gate), "Safe": True, "Mark": str(mark)}
    with WorkerCommand(**UNHURRIED) as command:
        submission = operations.submit(actor, "Work", orders)
        wait_for(
            lambda: TaskStatus.objects.get(pk=submission.run_id).processed > 3, "some progress"
        )

        # Long before its grace is over.
        assert command.stop() == 0
    run = TaskStatus.objects.get(pk=submission.run_id)
    assert run.state == State.QUEUED
    assert run.interruptions == 1
    assert run.memory["step"] > 0
    assert Attempt.objects.get(run=run).outcome == "interrupted"

    gate.touch()
    with WorkerCommand(**UNHURRIED):
        run = wait_for(
            lambda: TaskStatus.objects.filter(pk=submission.run_id, state__in=FINAL).first(),
            "the run to end",
        )
    assert run.state == State.SUCCEEDED
    assert run.attempt == 2
    assert len(read_marks(mark)) == 2


def test_work_that_may_run_again_stops_at_a_checkpoint_late_in_the_grace() -> None:
    # The last third of the grace has to be enough to stop in, on busy cores, too.
    with WorkerCommand(LEASE=90.0, STOP_GRACE=8.0) as command:
        submission = operations.submit(factories.actor(), "AgainWork", {"Steps": 100_000})
        # A run that was claimed and has not begun goes back as if nobody had claimed it.
        wait_for(lambda: TaskStatus.objects.get(pk=submission.run_id).processed, "some progress")

        assert command.stop() == 0
    run = TaskStatus.objects.get(pk=submission.run_id)
    assert (run.state, run.interruptions) == (State.QUEUED, 1)


def test_work_that_does_not_stop_is_killed_and_the_exit_code_says_so(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand(LEASE=90.0) as command:
        again = operations.submit(actor, "AgainWork", {"Sleep": 60, "Mark": str(mark)})
        once = operations.submit(actor, "Work", {"Sleep": 60, "Mark": str(mark)})
        wait_for(lambda: len(read_marks(mark)) == 2, "both handlers to begin")

        assert command.stop() == 1
    assert _state(again.run_id) == State.QUEUED
    assert TaskStatus.objects.get(pk=again.run_id).interruptions == 1
    assert _state(once.run_id) == State.LOST
