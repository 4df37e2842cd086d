"""P3: a worker that comes back late changes nothing, and what it tried is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from backgroundtasks import operations
from backgroundtasks.models import Attempt, Message, TaskStatus, Worker
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, exists, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("task_type, ends", [("AgainWork", "succeeded"), ("Work", "lost")])
def test_a_late_finish_from_another_machine_is_discarded_and_recorded(
    tmp_path: Path, task_type: str, ends: str
) -> None:
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    # Its pulse neither beats nor looks while the test lasts, as behind a cut wire.
    with WorkerCommand(workers=1, HEARTBEAT=60.0, LEASE=200.0, PROGRESS_INTERVAL=60.0) as zombie:
        submission = operations.submit(
            factories.actor(),
            task_type,
            {"Mark": str(mark), "Until": str(gate), "Result": {"By": 1}},
        )
        wait_for(lambda: len(read_marks(mark)) == 1, "the zombie to begin")
        first = TaskStatus.objects.get(pk=submission.run_id)
        # To every keeper its worker is on a machine that nobody can reach.
        Worker.objects.filter(pk=first.worker_id).update(host_id="another machine", host="there")
        TaskStatus.objects.filter(pk=first.pk).update(lease_until=first.queued_at)
        with WorkerCommand(workers=1):
            wait_for(
                lambda: (
                    len(read_marks(mark)) == 2
                    or TaskStatus.objects.filter(pk=first.pk, state__in=FINAL).exists()
                ),
                "the run to be taken from the zombie",
            )
            gate.touch()
            run = wait_for(
                lambda: TaskStatus.objects.filter(pk=first.pk, state__in=FINAL).first(),
                "the run to end without the zombie",
            )
            late = wait_for(
                lambda: Message.objects.filter(key="run.late_write_discarded").first(),
                "the zombie's finish",
            )
        assert exists(zombie.process.pid)
        after = TaskStatus.objects.get(pk=first.pk)

    assert (run.state, late.run_id) == (ends, run.pk)
    assert late.text == (
        "Attempt 1 ended after the run was taken from it; its result was discarded."
    )
    assert (after.state, after.attempt, after.finished_at) == (
        run.state,
        run.attempt,
        run.finished_at,
    )
    if ends == State.SUCCEEDED:
        assert [attempt for _, attempt, _ in read_marks(mark)] == ["1", "2"]
        assert len({pid for _, _, pid in read_marks(mark)}) == 2
        assert run.result == {"values": {"By": 1}, "warnings": []}
        assert list(Attempt.objects.values_list("number", "outcome")) == [(1, "died")]
    else:
        assert len(read_marks(mark)) == 1
        assert run.result is None
