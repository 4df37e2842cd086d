"""P4, P5: kill -9 of any process; the system goes on by itself and the state stays true."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from backgroundtasks import operations
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, children, exists, kill, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


def _ended(run_id: object) -> TaskStatus | None:
    return TaskStatus.objects.filter(pk=run_id, state__in=FINAL).first()


def _marked_pid(mark: Path) -> int | None:
    """Return the worker that began the run and wrote that down."""
    marks = read_marks(mark)
    return int(marks[-1][2]) if marks else None


def _running_pid(run_id: object) -> int | None:
    run = TaskStatus.objects.select_related("worker").get(pk=run_id)
    return run.worker.pid if run.state == State.RUNNING and run.worker else None


def test_an_idle_worker_that_is_killed_is_replaced_and_work_goes_on() -> None:
    actor = factories.actor()
    with WorkerCommand() as command:
        victim = command.workers()[0]
        kill(victim.pid)
        submissions = [operations.submit(actor, "Work", {}) for _ in range(10)]

        for submission in submissions:
            run = wait_for(lambda s=submission: _ended(s.run_id), "the run to end")
            assert run.state == State.SUCCEEDED
        wait_for(
            lambda: len({w.pid for w in command.workers()} - {victim.pid}) == 2,
            "a new worker beside the one that was left",
        )


def test_a_run_that_may_run_again_survives_its_workers_death(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand():
        submission = operations.submit(
            actor, "AgainWork", {"Mark": str(mark), "KillAtAttempt": 1, "Result": {"Done": 1}}
        )
        run = wait_for(lambda: _ended(submission.run_id), "the run to end")

    assert run.state == State.SUCCEEDED
    assert run.attempt == 2
    assert run.result == {"values": {"Done": 1}, "warnings": []}
    assert [attempt for _, attempt, _ in read_marks(mark)] == ["1", "2"]
    (died,) = Attempt.objects.filter(run=run)
    assert (died.number, died.outcome) == (1, "died")


def test_a_run_that_may_not_run_again_is_shown_as_lost(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand():
        submission = operations.submit(actor, "Work", {"Mark": str(mark), "Sleep": 60})
        kill(wait_for(lambda: _marked_pid(mark), "the run to start"))
        run = wait_for(lambda: _ended(submission.run_id), "the run to end")

        assert run.state == State.LOST
        assert "died" in run.error
        assert "Retry it" in run.error
        assert len(read_marks(mark)) == 1


def test_a_run_that_kills_every_worker_fails_when_its_attempts_are_used_up(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand():
        submission = operations.submit(actor, "AgainWork", {"Mark": str(mark), "KillAlways": True})
        run = wait_for(lambda: _ended(submission.run_id), "the run to end")

    assert run.state == State.FAILED
    assert "Gave up after 3 attempts" in run.error
    assert len(read_marks(mark)) == 3


def test_a_killed_batch_uses_up_no_attempt_of_those_that_never_began(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    operations.pause_queue("default")
    # The first ones teach the worker that these are short, so that it takes many at once.
    orders = [{"Mark": str(mark)} for _ in range(200)]
    orders[120]["KillAlways"] = True  # type: ignore[assignment]
    ids = operations.submit_many(actor, "ShortWork", orders)
    with WorkerCommand(workers=1):
        operations.resume_queue("default")
        wait_for(
            lambda: not TaskStatus.objects.exclude(state__in=FINAL).exists(), "all to end", limit=60
        )

    states = dict(TaskStatus.objects.values_list("pk", "state"))
    killer = ids[120]
    assert states.pop(killer) == State.FAILED
    assert set(states.values()) == {State.SUCCEEDED}
    executed = [run_id for run_id, _, _ in read_marks(mark)]
    # At most a batch had been done but not stored when the worker was killed.
    assert executed.count(str(killer)) in {3, 4}
    for run in TaskStatus.objects.exclude(pk=killer):
        assert run.attempt - run.interruptions == 1


def test_when_the_command_is_killed_nothing_of_it_is_left_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand() as command:
        submission = operations.submit(actor, "AgainWork", {"Mark": str(mark), "Steps": 300})
        worker = wait_for(lambda: _running_pid(submission.run_id), "the run to start")
        sentinel = children(command.process.pid)
        family = [*sentinel, *(child for pid in sentinel for child in children(pid))]
        assert worker in family
        kill(command.process.pid)
        wait_for(lambda: not any(exists(pid) for pid in family), "the whole family to die")

    with WorkerCommand():
        run = wait_for(lambda: _ended(submission.run_id), "the run to end")

    assert run.state == State.SUCCEEDED
    assert run.attempt == 2


def test_when_the_sentinel_is_killed_the_command_says_so_and_ends() -> None:
    with WorkerCommand() as command:
        (sentinel,) = children(command.process.pid)
        workers = children(sentinel)
        kill(sentinel)

        assert command.process.wait(20) == 1
        assert "workers.sentinel_died" in command.log()
        wait_for(lambda: not any(exists(pid) for pid in workers), "its workers to die")


def test_the_pusher_and_the_monitor_may_die_too() -> None:
    actor = factories.actor()
    with WorkerCommand() as command:
        (sentinel,) = children(command.process.pid)
        workers = {worker.pid for worker in command.workers()}
        for pid in set(children(sentinel)) - workers:
            kill(pid)
        submission = operations.submit(actor, "Work", {})

        assert wait_for(lambda: _ended(submission.run_id), "the run to end").state == "succeeded"


def test_a_frozen_worker_loses_its_run_when_its_lease_ends(tmp_path: Path) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand(LEASE=2.0) as command:
        submission = operations.submit(actor, "AgainWork", {"Mark": str(mark), "Steps": 200})
        frozen = wait_for(lambda: _running_pid(submission.run_id), "the run to start")
        os.kill(frozen, signal.SIGSTOP)
        run = wait_for(lambda: _ended(submission.run_id), "the run to end")

        assert run.state == State.SUCCEEDED
        assert run.attempt == 2
        assert frozen not in {w.pid for w in command.workers()}
    assert not exists(frozen)
