"""A run stands still and goes on; its worker does other work meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from backgroundtasks import operations
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, kill, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


def _in(run_id: object, *states: State) -> TaskStatus | None:
    return TaskStatus.objects.filter(pk=run_id, state__in=states).first()


def test_a_paused_run_leaves_its_worker_to_others_and_goes_on_where_it_was(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand(workers=1):
        run_id = operations.submit(
            actor, "PausableWork", {"Mark": str(mark), "Steps": 400, "Safe": True}
        ).run_id
        wait_for(lambda: TaskStatus.objects.get(pk=run_id).processed > 50, "some progress")

        assert operations.pause(actor, run_id) is State.PAUSING
        paused = wait_for(lambda: _in(run_id, State.PAUSED), "the run to pause")
        other = operations.submit(actor, "Work", {}).run_id
        wait_for(lambda: _in(other, State.SUCCEEDED), "the only worker to do other work")
        assert _in(run_id, State.PAUSED)

        assert operations.resume(actor, run_id) is State.QUEUED
        run = wait_for(lambda: _in(run_id, *FINAL), "the run to end")

    assert paused.memory is not None
    assert 50 < paused.memory["step"] < 400
    assert paused.processed == paused.memory["step"]
    assert (run.state, run.attempt, run.processed) == (State.SUCCEEDED, 2, 400)
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["paused"]


@pytest.mark.parametrize("task_type, ends", [("PausableAgainWork", "paused"), ("Work", "lost")])
def test_the_death_of_its_worker_pauses_a_run_that_was_to_be_paused_and_may_run_again(
    tmp_path: Path, task_type: str, ends: str
) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand(workers=1):
        # It never comes to a safe checkpoint.
        run_id = operations.submit(actor, task_type, {"Mark": str(mark), "Steps": 6000}).run_id
        wait_for(lambda: read_marks(mark), "the run to begin")
        TaskStatus.objects.filter(pk=run_id, state=State.RUNNING).update(state=State.PAUSING)

        kill(int(read_marks(mark)[0][2]))

        run = wait_for(lambda: _in(run_id, State.PAUSED, *FINAL), "the run to be taken")
        assert run.state == ends
        other = operations.submit(actor, "Work", {}).run_id
        wait_for(lambda: _in(other, State.SUCCEEDED), "other work to be done")

    assert len(read_marks(mark)) == 1
