"""Child runs with real workers: no worker is held by a wait, and no kill doubles or loses one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from backgroundtasks import operations
from backgroundtasks.lifecycle import store
from backgroundtasks.lifecycle.rows import Finish
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


def _ended(run_id: object) -> TaskStatus | None:
    return TaskStatus.objects.filter(pk=run_id, state__in=FINAL).first()


@pytest.mark.parametrize("task_type", ["Family", "FamilyOnce"])
def test_one_worker_is_enough_for_three_generations(task_type: str) -> None:
    actor = factories.actor()
    with WorkerCommand(workers=1):
        run_id = operations.submit(
            actor,
            task_type,
            {"Type": "Family", "Orders": {"Children": 3, "Orders": {"Steps": 5}}},
        ).run_id
        run = wait_for(lambda: _ended(run_id), "the family to end")

    assert (run.state, run.attempt) == (State.SUCCEEDED, 2)
    assert (run.processed, run.total) == (30, 30)
    assert TaskStatus.objects.filter(state=State.SUCCEEDED).count() == 1 + 2 + 6


@pytest.mark.parametrize("started", [0, 1, 3, 4])
def test_a_kill_between_the_starts_of_children_neither_doubles_nor_loses_one(
    tmp_path: Path, started: int
) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand():
        run_id = operations.submit(
            actor, "Family", {"Children": 4, "KillAfter": started, "Mark": str(mark)}
        ).run_id
        run = wait_for(lambda: _ended(run_id), "the family to end")

    assert run.state == State.SUCCEEDED
    assert read_marks(mark)[0][1:2] + read_marks(mark)[1][1:2] == ["1", "2"]
    children = TaskStatus.objects.filter(parent=run).order_by("child_number")
    assert [child.child_key for child in children] == [f"child-{n}" for n in range(4)]
    assert TaskStatus.objects.count() == 5


def test_a_kill_right_behind_the_last_childs_end_does_not_leave_its_parent_asleep() -> None:
    actor = factories.actor()
    parent_id = operations.submit(actor, "Family", {"Children": 1, "Type": "SideWork"}).run_id
    with WorkerCommand("--queues", "default", workers=1):
        wait_for(
            lambda: TaskStatus.objects.filter(pk=parent_id, state=State.WAITING).exists(),
            "the parent to wait",
        )
    # What a worker does whose kill comes before it looked after the parent.
    claim = store().claim("side", most=1, token=1, worker_id=uuid4(), lease=timedelta(seconds=30))
    done = Finish(claim.runs[0].id, 1, State.SUCCEEDED, None, 0, 0, "", timedelta(days=1))
    assert store().finish([done], token=1)

    with WorkerCommand(workers=1):
        run = wait_for(lambda: _ended(parent_id), "the parent to end")

    assert (run.state, run.result) == (
        State.SUCCEEDED,
        {
            "values": {"States": ["succeeded"], "Results": [{}], "Errors": [""]},
            "warnings": [],
        },
    )


def test_a_cancel_of_the_parent_stops_its_running_children() -> None:
    actor = factories.actor()
    with WorkerCommand():
        parent_id = operations.submit(
            actor, "Family", {"Children": 3, "Orders": {"Steps": 6000}}
        ).run_id
        wait_for(
            lambda: TaskStatus.objects.filter(parent=parent_id, processed__gt=5).count() == 2,
            "two children to run",
        )
        waiting = TaskStatus.objects.get(pk=parent_id)

        assert operations.cancel(actor, parent_id) is State.CANCELLED
        wait_for(
            lambda: not TaskStatus.objects.exclude(state__in=FINAL).exists(),
            "the children to stop",
        )

    assert waiting.state == State.WAITING
    assert set(TaskStatus.objects.values_list("state", flat=True)) == {State.CANCELLED}


def test_a_waiting_run_shows_how_far_its_children_are() -> None:
    actor = factories.actor()
    with WorkerCommand():
        parent_id = operations.submit(
            actor, "Family", {"Children": 2, "Orders": {"Steps": 200}}
        ).run_id
        shown = wait_for(
            lambda: TaskStatus.objects.filter(
                pk=parent_id, state=State.WAITING, total=400, processed__gt=20
            ).first(),
            "the parent to show its children's progress",
        )
        run = wait_for(lambda: _ended(parent_id), "the family to end")

    assert shown.processed < 400
    assert (run.state, run.processed, run.total) == (State.SUCCEEDED, 400, 400)
