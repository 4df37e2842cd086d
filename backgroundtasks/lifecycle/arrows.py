"""
One function per arrow of the state machine.

Each is one guarded UPDATE, and the count tells whether this call moved the run. Writes of a
worker are guarded by its fence (attempt and token) as well, so a zombie's match no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Least, Now

from backgroundtasks import clock, conf
from backgroundtasks.lifecycle import families, store
from backgroundtasks.lifecycle.moving import changed, fenced, move
from backgroundtasks.models import Attempt, AttemptOutcome, Message, TaskStatus, conditions
from backgroundtasks.states import FINAL, HELD, PENDING, STANDING, State

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from backgroundtasks.lifecycle.rows import Fence


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
        moved = move(waiting, State.QUEUED, text="")
        if moved:
            store().wake()
    return moved


def cancel_unheld(runs: QuerySet[TaskStatus], *, reason: str, retention: timedelta) -> int:
    """Scheduled, queued, waiting or paused → cancelled; return how many."""
    return _end(
        runs.filter(state__in=PENDING | STANDING),
        State.CANCELLED,
        error=reason,
        retention=retention,
    )


def request_cancel(runs: QuerySet[TaskStatus]) -> int:
    """Running or pausing → cancelling; handlers stop at their next checkpoint."""
    return move(runs, State.CANCELLING, cancel_requested_at=Now())


def request_pause(run_id: UUID) -> bool:
    """Running → pausing; the handler stops at its next safe checkpoint."""
    return bool(move(_one(run_id), State.PAUSING))


def pause_waiting(run_id: UUID) -> bool:
    """Waiting → paused: its children go on, but it does not when they have ended."""
    return bool(move(_one(run_id).filter(state=State.WAITING), State.PAUSED))


def pause_pending(runs: QuerySet[TaskStatus]) -> int:
    """Scheduled or queued → paused: after a restore nothing runs again by itself."""
    return move(runs.filter(state__in=PENDING), State.PAUSED)


def withdraw_pause(run_id: UUID) -> bool:
    """Pausing → running: its handler has not stopped yet."""
    return bool(move(_one(run_id).filter(state=State.PAUSING), State.RUNNING))


def resume(run_id: UUID) -> bool:
    """Paused → queued; it waits from now on."""
    with transaction.atomic():
        moved = move(_one(run_id).filter(state=State.PAUSED), State.QUEUED, run_after=Now())
        if moved:
            store().wake()
    return bool(moved)


def settle(
    run_id: UUID,
    to: State,
    *,
    error: str,
    temporary: bool,
    finished_at: datetime | None,
    retention: timedelta,
) -> bool:
    """
    Whatever is unfinished → succeeded, warned, failed or cancelled: an operator says so.

    A worker that holds the run loses it, and its later writes match no row.
    """
    return bool(
        _end(
            _one(run_id),
            to,
            error=error,
            temporary=temporary,
            finished_at=finished_at,
            retention=retention,
        )
    )


def settle_cancelled(fence: Fence, *, reason: str, retention: timedelta) -> bool:
    """Cancelling → cancelled."""
    return bool(_end(fenced(fence), State.CANCELLED, error=reason, retention=retention))


def fail(fence: Fence, *, error: str, temporary: bool, retention: timedelta) -> bool:
    """Held → failed."""
    return bool(
        _end(fenced(fence), State.FAILED, error=error, retention=retention, temporary=temporary)
    )


def lose(fence: Fence, *, error: str, retention: timedelta) -> bool:
    """Held → lost."""
    return bool(_end(fenced(fence), State.LOST, error=error, retention=retention))


def schedule_next_attempt(
    fence: Fence, *, run_after: datetime, error: str, outcome: AttemptOutcome
) -> bool:
    """Running → scheduled: the attempt failed, another one is due at `run_after`."""
    return _let_go(
        fence,
        State.SCHEDULED,
        error=error,
        outcome=outcome,
        run_after=run_after,
        text=error[:500],
    )


def requeue(fence: Fence, *, error: str, outcome: AttemptOutcome, solo: bool = False) -> bool:
    """
    Running → queued: something else than the handler ended the attempt.

    It is counted among the interruptions, so it uses up no attempt. `solo` makes the next
    claim take the run alone: one of its batch killed the worker.
    """
    return _let_go(
        fence,
        State.QUEUED,
        error=error,
        outcome=outcome,
        interruptions=F("interruptions") + 1,
        # It waits from now on, not since its submission.
        run_after=Now(),
        solo=solo,
    )


def settle_paused(
    fence: Fence, *, error: str, outcome: AttemptOutcome, failed: bool = False, solo: bool = False
) -> bool:
    """
    Pausing → paused.

    Unless the attempt `failed`, it is counted among the interruptions. `solo` as for `requeue`.
    """
    return _let_go(
        fence,
        State.PAUSED,
        error=error,
        outcome=outcome,
        interruptions=F("interruptions") + (0 if failed else 1),
        solo=solo,
    )


def wait(fence: Fence, *, progress: bool) -> bool:
    """
    Running → waiting for its children.

    Whoever calls it looks afterwards whether they have ended meanwhile
    (`families.look_after`). `progress`: the children's becomes that of the run.
    """
    return _let_go(
        fence,
        State.WAITING,
        error="",
        outcome=AttemptOutcome.WAITED,
        interruptions=F("interruptions") + 1,
        progress_of_children=progress,
    )


def give_back(run_ids: list[UUID], *, token: int) -> int:
    """
    Running → queued, for runs of a batch that never began: as if they had not been claimed.

    One that somebody asked to cancel or to pause meanwhile is cancelled or paused; return how
    many were queued.
    """
    held = TaskStatus.objects.filter(pk__in=run_ids, token=token)
    unclaimed: dict[str, Any] = {"attempt": F("attempt") - 1, "started_at": None, "worker": None}
    with transaction.atomic():
        moved = move(held, State.QUEUED, token=None, lease_until=None, **unclaimed)
        move(
            held.filter(state=State.PAUSING),
            State.PAUSED,
            token=None,
            lease_until=None,
            **unclaimed,
        )
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

    A total of 0 is one that is not known yet: a further attempt leaves what the first one counted.

    Returns:
        The run's state; None when it is no longer this worker's.
    """
    also: dict[str, Any] = {"processed": Greatest(F("processed"), processed)}
    if total:
        also["total"] = total
        also["processed"] = Least(also["processed"], total)
    if text is not None:
        also["text"] = text
    if not fenced(fence).update(**changed(), **also):
        return None
    return State(fenced(fence).values_list("state", flat=True).first() or State.LOST)


def say(fence: Fence, *, level: str, key: str, text: str, parameters: dict[str, Any]) -> bool:
    """Store a message of a run that the writer still holds; return whether it does."""
    with transaction.atomic():
        if not fenced(fence).update(**changed()):
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
    return bool(fenced(fence).update(memory=memory))


def note(
    run_id: UUID, *, level: str, key: str, text: str, attempt: int = 0, **parameters: Any
) -> None:
    """
    Store a message about a run from outside it: whose writes were discarded, who cancelled.

    `attempt` is the one that it speaks of; 0: of the run.
    """
    with transaction.atomic():
        if TaskStatus.objects.filter(pk=run_id).update(**changed()):
            Message.objects.create(
                run_id=run_id,
                level=level,
                key=key,
                text=text,
                parameters=parameters,
                attempt=attempt,
            )


def remark(run_id: UUID, text: str) -> bool:
    """Note something about a finished run; what it was and how it ended stays."""
    finished = _one(run_id).filter(state__in=FINAL)
    return bool(finished.update(remark=text, **changed()))


def _one(run_id: UUID) -> QuerySet[TaskStatus]:
    return TaskStatus.objects.filter(pk=run_id)


def _let_go(fence: Fence, to: State, *, error: str, outcome: AttemptOutcome, **also: Any) -> bool:
    """End an attempt without ending its run: record it, and take the run from its worker."""
    with transaction.atomic():
        attempt = _attempt(fence, outcome, error)
        moved = move(fenced(fence), to, token=None, lease_until=None, **also)
        if moved and attempt is not None:
            attempt.save()
            if to == State.QUEUED:
                store().wake()
    return bool(moved)


def _end(
    runs: QuerySet[TaskStatus],
    to: State,
    *,
    error: str,
    retention: timedelta,
    finished_at: datetime | None = None,
    **also: Any,
) -> int:
    """Move runs to a final state, and wake the parents that waited for them; return how many."""
    # Read before: afterwards the fence does not find them. A run keeps its parent for life.
    parents = set(runs.filter(parent__isnull=False).values_list("parent_id", flat=True).distinct())
    moved = move(
        runs,
        to,
        error=error,
        finished_at=finished_at or Now(),
        expires_at=Now() + retention,
        lease_until=None,
        token=None,
        **also,
    )
    if moved and parents:
        # After the commit: of two children that end together, the later one sees both.
        transaction.on_commit(lambda: families.look_after(parents))
    return moved


def _attempt(fence: Fence, outcome: AttemptOutcome, error: str) -> Attempt | None:
    """Return the record of an attempt that is about to end without ending its run."""
    found = fenced(fence).values_list("worker_id", "started_at").first()
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
