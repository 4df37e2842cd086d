"""P9 and being due: priorities, queues with pause and resume, exclusive keys, delays."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from backgroundtasks import clock, operations
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


def _all_ended() -> bool:
    return not TaskStatus.objects.exclude(state__in=FINAL).exists()


def test_a_higher_priority_starts_first_and_equals_start_in_order(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    orders = {"Mark": str(mark)}
    operations.pause_queue("default")
    low = operations.submit(actor, "Work", orders, priority=-5)
    plain = operations.submit_many(actor, "Work", [orders] * 5)
    urgent = operations.submit(actor, "Urgent", orders)
    with WorkerCommand(workers=1):
        operations.resume_queue("default")
        wait_for(_all_ended, "all to end")

    assert [run_id for run_id, _, _ in read_marks(mark)] == [
        str(urgent.run_id),
        *map(str, plain),
        str(low.run_id),
    ]


def test_a_paused_queue_waits_while_others_go_on() -> None:
    actor = factories.actor()
    with WorkerCommand():
        operations.pause_queue("side")
        side = operations.submit(actor, "SideWork", {})
        main = operations.submit(actor, "Work", {})
        wait_for(
            lambda: TaskStatus.objects.filter(pk=main.run_id, state=State.SUCCEEDED).exists(),
            "the other queue's run to end",
        )
        assert TaskStatus.objects.get(pk=side.run_id).state == State.QUEUED

        operations.resume_queue("side")
        wait_for(_all_ended, "the paused queue's run to end")


def test_a_command_serves_only_the_queues_that_it_was_given() -> None:
    actor = factories.actor()
    with WorkerCommand("--queues=side"):
        main = operations.submit(actor, "Work", {})
        side = operations.submit(actor, "SideWork", {})
        wait_for(
            lambda: TaskStatus.objects.filter(pk=side.run_id, state=State.SUCCEEDED).exists(),
            "the side queue's run to end",
        )

        assert TaskStatus.objects.get(pk=main.run_id).state == State.QUEUED


def test_runs_of_one_exclusive_key_never_overlap() -> None:
    actor = factories.actor()
    for _ in range(4):
        operations.submit(actor, "Work", {"Key": "k", "Sleep": 0.1})
    with WorkerCommand(workers=3):
        wait_for(_all_ended, "all to end")

    runs = list(TaskStatus.objects.order_by("started_at"))
    assert {run.state for run in runs} == {State.SUCCEEDED}
    for earlier, later in pairwise(runs):
        assert earlier.finished_at <= later.started_at


def test_a_delayed_run_waits_for_its_time() -> None:
    actor = factories.actor()
    with WorkerCommand():
        due = clock.now() + timedelta(seconds=1.5)
        submission = operations.submit(actor, "Work", {}, run_after=due)
        assert TaskStatus.objects.get(pk=submission.run_id).state == State.SCHEDULED
        wait_for(_all_ended, "the run to end")

    assert TaskStatus.objects.get(pk=submission.run_id).started_at >= due
