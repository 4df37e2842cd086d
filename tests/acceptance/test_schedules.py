"""P10 with real processes: due times become runs, also after the command was killed."""

from __future__ import annotations

import os
import signal

import pytest

from backgroundtasks import operations
from backgroundtasks.models import Schedule, TaskStatus
from backgroundtasks.operations import Timing
from backgroundtasks.states import State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand

pytestmark = pytest.mark.django_db(transaction=True)


def done() -> int:
    return TaskStatus.objects.filter(state=State.SUCCEEDED).count()


def test_a_schedule_runs_each_second_through_a_kill_of_the_command() -> None:
    actor = factories.actor()
    operations.create_schedule(actor, "ShortWork", {}, Timing("* * * * * ?", overlap="queue"))

    with WorkerCommand(workers=1) as command:
        wait_for(lambda: done() >= 2, lambda: f"two runs; {command.log()}")
        os.kill(command.process.pid, signal.SIGKILL)
        command.process.wait(10)
    before = done()
    with WorkerCommand(workers=1) as one, WorkerCommand(workers=1) as two:
        wait_for(lambda: done() >= before + 3, lambda: f"three more; {one.log()} {two.log()}")

    times = list(TaskStatus.objects.values_list("scheduled_for", flat=True))
    assert None not in times
    assert len(set(times)) == len(times)
    assert all(time.microsecond == 0 for time in times if time)
    assert Schedule.objects.get().runs_made == len(times)


def test_a_long_run_has_the_times_skipped_that_come_meanwhile() -> None:
    actor = factories.actor()
    operations.create_schedule(actor, "Work", {"Sleep": 3}, Timing("* * * * * ?"))

    with WorkerCommand(workers=1) as command:
        wait_for(lambda: done() >= 1, lambda: f"a run; {command.log()}")

    states = list(TaskStatus.objects.order_by("position").values_list("state", flat=True))
    assert states[:2] == [State.SUCCEEDED, State.SKIPPED]
