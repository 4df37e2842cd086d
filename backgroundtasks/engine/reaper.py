"""
What the keeper does for runs whose worker cannot: dead, hanging, or deaf to a cancel.

Every function is one round, returns how many runs it settled, and may run anywhere, several
at once: the guarded updates of `arrows` decide.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from backgroundtasks import clock, conf
from backgroundtasks.engine import process
from backgroundtasks.handlers import registry
from backgroundtasks.lifecycle import arrows
from backgroundtasks.lifecycle.rows import Fence
from backgroundtasks.models import AttemptOutcome, TaskStatus, Worker, conditions
from backgroundtasks.states import State

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from backgroundtasks.handlers import TaskHandler

logger = logging.getLogger(__name__)

#: A write that takes longer (seconds) has waited for somebody's.
_PROMPT = 0.1


def reap_dead_workers(*, stopping: bool = False) -> int:
    """
    Take the runs of workers of this machine whose process is gone; no need to wait for leases.

    Args:
        stopping: The worker command is being stopped: their runs were interrupted, which
            uses up no attempt.
    """
    settled = 0
    for worker in Worker.objects.filter(host_id=process.host_id(), stopped_at__isnull=True):
        if process.lives(worker.pid, worker.pid_started):
            continue
        settled += _recover(
            TaskStatus.objects.filter(conditions.HELD, worker=worker),
            cause=f"its worker {worker} " + ("was stopped" if stopping else "died"),
            interrupted=stopping,
        )
        Worker.objects.filter(pk=worker.pk).update(stopped_at=clock.now())
    return settled


def reap_expired_leases() -> int:
    """Take the runs that nobody has renewed in time, from whichever machine."""
    return _recover(_expired(), cause="its worker did not renew the lease", interrupted=False)


def leases_wait_for_a_lock() -> bool:
    """
    Return whether leases have expired that their workers may have had no chance to renew.

    On SQLite one long write transaction keeps all others from writing, but not from
    reading: the workers must not be blamed for it.
    """
    if not _expired().exists():
        return False
    began = time.monotonic()
    Worker.objects.filter(pk=uuid.UUID(int=0)).update(host="")  # matches none; takes the lock
    return time.monotonic() - began > _PROMPT


def _expired() -> QuerySet[TaskStatus]:
    return TaskStatus.objects.filter(conditions.HELD, lease_until__lt=Now())


def enforce_timeouts() -> int:
    """Kill the workers of this machine that hang past their run's timeout."""
    settled = 0
    held = list(_held_here().annotate(ran=_since("started_at")))
    together = Counter(run.token for run in held)
    for run in held:
        handler = registry.find(run.task_type)
        timeout = handler.timeout_of() if handler else conf.TIMEOUT
        if run.ran is None or run.ran < timeout + conf.TIMEOUT_GRACE:
            continue
        if not _is_held(run):
            continue  # it ended meanwhile: its worker is at something else
        _kill(run, "hangs past its timeout")
        if together[run.token] > 1:
            # Only one of a batch has begun. Claimed alone, it will time out alone.
            settled += _recover_one(run, "its worker hung", interrupted=False, batch=True)
            continue
        settled += arrows.fail(
            _fence(run),
            error=f"Timed out after {timeout.total_seconds():g} s.",
            temporary=True,
            retention=_retention(handler),
        )
    return settled


def enforce_cancels() -> int:
    """Kill the workers of this machine that did not heed a cancel within its grace."""
    settled = 0
    deaf = _held_here().filter(
        state=State.CANCELLING, cancel_requested_at__lt=Now() - conf.CANCEL_GRACE
    )
    for run in deaf:
        if not _is_held(run):
            continue
        _kill(run, "did not heed a cancel")
        settled += arrows.settle_cancelled(
            _fence(run),
            reason="Cancelled by force: it did not stop by itself.",
            retention=_retention(registry.find(run.task_type)),
        )
    return settled


def kill_silent_workers() -> int:
    """
    Kill the workers of this machine that live, hold no run, and have not beaten for long.

    A handler blocks all threads of such a one, and its run was settled by somebody meanwhile:
    no lease and no time-out is left that would end it.
    """
    killed = 0
    silent = Worker.objects.filter(
        host_id=process.host_id(),
        stopped_at__isnull=True,
        beat_at__lt=Now() - conf.LEASE - conf.CANCEL_GRACE,
    )
    for worker in silent:
        if TaskStatus.objects.filter(conditions.HELD, worker=worker).exists():
            continue
        if process.kill(worker.pid, worker.pid_started):
            logger.error("worker.killed pid=%s; it is silent and holds no run", worker.pid)
            killed += 1
    return killed


def forget_workers(after: timedelta = timedelta(days=1)) -> int:
    """Delete workers that stopped, or fell silent, long ago."""
    return Worker.objects.filter(beat_at__lt=Now() - after).delete()[0]


def _recover(runs: QuerySet[TaskStatus], *, cause: str, interrupted: bool) -> int:
    """Settle runs whose worker cannot do it any more; return how many."""
    found = list(runs.select_related("worker"))
    together = Counter(run.token for run in found)
    settled = 0
    for run in found:
        if not _has_let_go(run):
            # A worker that is only cut off from the database may still be at it.
            _kill(run, "lost its lease")
        settled += _recover_one(run, cause, interrupted=interrupted, batch=together[run.token] > 1)
    return settled


def _recover_one(run: TaskStatus, cause: str, *, interrupted: bool, batch: bool) -> bool:
    handler = registry.find(run.task_type)
    fence = _fence(run)
    retention = _retention(handler)
    if run.state == State.CANCELLING:
        return arrows.settle_cancelled(fence, reason=f"Cancelled; {cause}.", retention=retention)
    if handler is None or not handler.idempotent:
        moved = arrows.lose(
            fence,
            error=f"Lost: {cause}, and it may have been done in part. Retry it if it may run again.",
            retention=retention,
        )
        _tell("run.lost", run, cause, moved=moved)
        return moved
    failures = run.attempt - run.interruptions
    # Of a batch at most one had begun, and nobody knows which: all go back, and each is
    # claimed alone next time, so that one which kills its worker is found out.
    failed = not interrupted and not batch
    if failed and failures >= handler.attempts_of():
        moved = arrows.fail(
            fence,
            error=f"Gave up after {failures} attempts: {cause}.",
            temporary=True,
            retention=retention,
        )
        _tell("run.failed", run, cause, moved=moved)
        return moved
    error = f"Interrupted: {cause}."
    outcome = AttemptOutcome.INTERRUPTED if interrupted else AttemptOutcome.DIED
    if arrows.settle_paused(fence, error=error, outcome=outcome, failed=failed, solo=batch):
        _tell("run.paused", run, cause, moved=True)
        return True
    if not failed:
        moved = arrows.requeue(fence, error=error, outcome=outcome, solo=batch)
        _tell("run.requeued", run, cause, moved=moved)
        return moved
    moved = arrows.schedule_next_attempt(
        fence,
        run_after=clock.now() + handler.pause_before(failures),
        error=error,
        outcome=outcome,
    )
    _tell("run.rescheduled", run, cause, moved=moved)
    return moved


def _held_here() -> QuerySet[TaskStatus]:
    """Return the runs that workers of this machine hold."""
    return TaskStatus.objects.filter(
        conditions.HELD, worker__host_id=process.host_id()
    ).select_related("worker")


def _since(field: str) -> ExpressionWrapper:
    return ExpressionWrapper(Now() - F(field), output_field=DurationField())


def _kill(run: TaskStatus, why: str) -> None:
    """Kill the run's worker if it is a process of this machine."""
    worker = run.worker
    if worker is None or worker.host_id != process.host_id():
        return
    if process.kill(worker.pid, worker.pid_started):
        logger.error(
            "worker.killed pid=%s run_id=%s type=%s; it %s",
            worker.pid,
            run.pk,
            run.task_type,
            why,
        )


def _has_let_go(run: TaskStatus) -> bool:
    """Return whether the worker has beaten, which renews what it holds, since the lease ended."""
    lease_until, worker = run.lease_until, run.worker
    return worker is not None and lease_until is not None and worker.beat_at > lease_until


def _is_held(run: TaskStatus) -> bool:
    """Return whether the run is still in the attempt that was read."""
    return TaskStatus.objects.filter(conditions.HELD, pk=run.pk, token=run.token).exists()


def _fence(run: TaskStatus) -> Fence:
    return Fence(run.pk, run.attempt, run.token or 0)


def _retention(handler: type[TaskHandler] | None) -> timedelta:
    retention: timedelta = handler.retention_of() if handler else conf.RETENTION
    return retention


def _tell(event: str, run: TaskStatus, cause: str, *, moved: bool) -> None:
    """Tell operators, and who looks at the run, what became of it."""
    if moved:
        logger.warning(
            "%s run_id=%s type=%s attempt=%s; %s", event, run.pk, run.task_type, run.attempt, cause
        )
        arrows.note(
            run.pk,
            level="warning",
            key=event,
            text=f"Attempt {run.attempt} ended: {cause}.",
            attempt=run.attempt,
        )
