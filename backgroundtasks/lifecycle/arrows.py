"""
One function per arrow of the state machine.

Each is one guarded UPDATE, and the count tells whether this call moved the run. Writes of a
worker are guarded by its fence (attempt and token) as well, so a zombie's match no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Now

from backgroundtasks import clock, conf
from backgroundtasks.lifecycle import store
from backgroundtasks.models import Attempt, AttemptOutcome, Message, Task, TaskStatus, conditions
from backgroundtasks.states import HELD, PENDING, State, feet

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from backgroundtasks.lifecycle.rows import Fence

#: Messages that one transaction of a flush deletes at most.
_MESSAGES = 2000


def promote_due(limit: int = 500) -> int:
    """Scheduled → queued, for runs whose time has come; return how many."""
    due = TaskStatus.objects.filter(conditions.SCHEDULED, run_after__lte=Now())
    ids = list(due.order_by("run_after").values_list("pk", flat=True)[:limit])
    if not ids:
        return 0
    with transaction.atomic():
        # Meanwhile another keeper may have promoted them, and workers may have begun them. The
        # text said why they waited.
        waiting = TaskStatus.objects.filter(pk__in=ids, state=State.SCHEDULED)
        moved = _move(waiting, State.QUEUED, text="")
        if moved:
            store().wake()
    return moved


def cancel_pending(run_id: UUID, *, reason: str, retention: timedelta) -> bool:
    """Scheduled or queued → cancelled."""
    pending = TaskStatus.objects.filter(pk=run_id, state__in=PENDING)
    return _end(pending, State.CANCELLED, error=reason, retention=retention)


def request_cancel(run_id: UUID) -> bool:
    """Running → cancelling; the handler stops at its next checkpoint."""
    running = TaskStatus.objects.filter(pk=run_id)
    return bool(_move(running, State.CANCELLING, cancel_requested_at=Now()))


def settle_cancelled(fence: Fence, *, reason: str, retention: timedelta) -> bool:
    """Cancelling → cancelled."""
    return _end(_fenced(fence), State.CANCELLED, error=reason, retention=retention)


def fail(fence: Fence, *, error: str, temporary: bool, retention: timedelta) -> bool:
    """Running or cancelling → failed."""
    return _end(_fenced(fence), State.FAILED, error=error, retention=retention, temporary=temporary)


def lose(fence: Fence, *, error: str, retention: timedelta) -> bool:
    """Running or cancelling → lost."""
    return _end(_fenced(fence), State.LOST, error=error, retention=retention)


def schedule_next_attempt(
    fence: Fence, *, run_after: datetime, error: str, outcome: AttemptOutcome
) -> bool:
    """Running → scheduled: the attempt failed, another one is due at `run_after`."""
    with transaction.atomic():
        attempt = _attempt(fence, outcome, error)
        moved = _move(
            _fenced(fence),
            State.SCHEDULED,
            run_after=run_after,
            token=None,
            lease_until=None,
            text=error[:500],
        )
        if moved and attempt is not None:
            attempt.save()
    return bool(moved)


def requeue(fence: Fence, *, error: str, outcome: AttemptOutcome, solo: bool = False) -> bool:
    """
    Running → queued: something else than the handler ended the attempt.

    It is counted among the interruptions, so it uses up no attempt. `solo` makes the next
    claim take the run alone: one of its batch killed the worker.
    """
    with transaction.atomic():
        attempt = _attempt(fence, outcome, error)
        moved = _move(
            _fenced(fence),
            State.QUEUED,
            interruptions=F("interruptions") + 1,
            # It waits from now on, not since its submission.
            run_after=Now(),
            token=None,
            lease_until=None,
            solo=solo,
        )
        if moved and attempt is not None:
            attempt.save()
            store().wake()
    return bool(moved)


def give_back(run_ids: list[UUID], *, token: int) -> int:
    """
    Running → queued, for runs of a batch that never began: as if they had not been claimed.

    One that somebody asked to cancel meanwhile is cancelled; return how many were queued.
    """
    held = TaskStatus.objects.filter(pk__in=run_ids, token=token)
    unclaimed: dict[str, Any] = {"attempt": F("attempt") - 1, "started_at": None, "worker": None}
    with transaction.atomic():
        moved = _move(held, State.QUEUED, token=None, lease_until=None, **unclaimed)
        _end(
            held.filter(state=State.CANCELLING),
            State.CANCELLED,
            error="Cancelled before it began.",
            retention=conf.RETENTION,
            **unclaimed,
        )
        if moved:
            store().wake()
    return moved


def renew(run_ids: list[UUID], *, token: int, lease: timedelta) -> dict[UUID, State]:
    """
    Renew the lease of runs that a worker holds.

    Returns:
        The state of each run that is still the worker's; a missing one was taken away.
    """
    held = TaskStatus.objects.filter(pk__in=run_ids, token=token, state__in=HELD)
    held.update(lease_until=Now() + lease)
    return {pk: State(state) for pk, state in held.values_list("pk", "state")}


def report(fence: Fence, *, processed: int, total: int | None, text: str | None) -> State | None:
    """
    Store progress; counts never go back, and `processed` never exceeds a known total.

    Returns:
        The run's state; None when it is no longer this worker's.
    """
    also: dict[str, Any] = {"processed": Greatest(F("processed"), processed)}
    if total is not None:
        also["total"] = total
    if text is not None:
        also["text"] = text
    if not _fenced(fence).update(**_changed(), **also):
        return None
    return State(_fenced(fence).values_list("state", flat=True).first() or State.LOST)


def say(fence: Fence, *, level: str, key: str, text: str, parameters: dict[str, Any]) -> bool:
    """Store a message of a run that the writer still holds; return whether it does."""
    with transaction.atomic():
        if not _fenced(fence).update(**_changed()):
            return False
        Message.objects.create(
            run_id=fence.run_id,
            level=level,
            key=key,
            text=text,
            parameters=parameters,
            attempt=fence.attempt,
        )
    return True


def remember(fence: Fence, memory: dict[str, Any]) -> bool:
    """Store what the handler wants to keep over attempts."""
    return bool(_fenced(fence).update(memory=memory))


def note(
    run_id: UUID, *, level: str, key: str, text: str, attempt: int = 0, **parameters: Any
) -> None:
    """
    Store a message about a run from outside it: whose writes were discarded, who cancelled.

    `attempt` is the one that it speaks of; 0: of the run.
    """
    with transaction.atomic():
        if TaskStatus.objects.filter(pk=run_id).update(**_changed()):
            Message.objects.create(
                run_id=run_id,
                level=level,
                key=key,
                text=text,
                parameters=parameters,
                attempt=attempt,
            )


def _fenced(fence: Fence) -> QuerySet[TaskStatus]:
    """Return the run, if `fence` still stands."""
    return TaskStatus.objects.filter(
        pk=fence.run_id, attempt=fence.attempt, token=fence.token, state__in=HELD
    )


def _changed() -> dict[str, Any]:
    """Return what every visible change of a run writes."""
    return {"event": F("event") + 1, "modified_at": Now()}


def _move(runs: QuerySet[TaskStatus], to: State, **also: Any) -> int:
    """Move the runs that stand at the foot of an arrow to `to`; return how many."""
    return runs.filter(state__in=feet(to)).update(state=to, **_changed(), **also)


def _end(
    runs: QuerySet[TaskStatus], to: State, *, error: str, retention: timedelta, **also: Any
) -> bool:
    """Move a run to a final state."""
    return bool(
        _move(
            runs,
            to,
            error=error,
            finished_at=Now(),
            expires_at=Now() + retention,
            lease_until=None,
            token=None,
            **also,
        )
    )


def _attempt(fence: Fence, outcome: AttemptOutcome, error: str) -> Attempt | None:
    """Return the record of an attempt that is about to end without ending its run."""
    found = _fenced(fence).values_list("worker_id", "started_at").first()
    if found is None:
        return None
    return Attempt(
        run_id=fence.run_id,
        number=fence.attempt,
        worker_id=found[0],
        started_at=found[1],
        finished_at=clock.now(),
        outcome=outcome,
        error=error,
    )


def flush(limit: int = 150) -> int:
    """
    Delete finished runs whose retention has passed, with what hangs on them.

    A small batch a call, so that no lock is held for long; tasks that have no run left go
    with their last one.
    """
    expired = TaskStatus.objects.filter(expires_at__lt=Now()).order_by("expires_at")
    ids = list(expired.values_list("pk", "task_id")[:limit])
    if not ids:
        return 0
    runs = [pk for pk, _ in ids]
    _flush_messages(runs)
    with transaction.atomic():
        TaskStatus.objects.filter(pk__in=runs).delete()
        Task.objects.filter(pk__in={task for _, task in ids}, runs__isnull=True).delete()
    return len(ids)


def _flush_messages(runs: list[UUID]) -> None:
    """Delete what talkative runs said, in portions: the last one goes with the runs."""
    while True:
        said = Message.objects.filter(run_id__in=runs).values_list("pk", flat=True)
        portion = list(said[:_MESSAGES])
        if len(portion) < _MESSAGES:
            return
        Message.objects.filter(pk__in=portion).delete()
