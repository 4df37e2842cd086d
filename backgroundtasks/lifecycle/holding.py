"""After a restore: whatever had not finished waits for an operator instead of running again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import transaction

from backgroundtasks import conf
from backgroundtasks.lifecycle import arrows
from backgroundtasks.lifecycle.rows import Fence
from backgroundtasks.models import AttemptOutcome, TaskStatus, conditions
from backgroundtasks.states import PENDING, STANDING, State

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Held:
    """What became of runs that had not finished."""

    #: They stand still until somebody resumes, settles or cancels them.
    paused: int
    #: Behind another one of their exclusive key; or somebody had asked for it.
    cancelled: int


def hold_unfinished(reason: str) -> Held:
    """
    Pause every unfinished run; for an installation in which nobody works.

    Of runs that share an exclusive key only one may have begun, and a paused one counts: those
    behind it are cancelled, and can be retried. Safe to repeat.

    Args:
        reason: For people: why they are held.
    """
    cancelled = 0
    for run in list(TaskStatus.objects.filter(conditions.HELD)):
        fence = Fence(run.pk, run.attempt, run.token or 0)
        if run.state == State.CANCELLING:
            cancelled += arrows.settle_cancelled(
                fence, reason="Cancelled before the backup was restored.", retention=conf.RETENTION
            )
            continue
        arrows.request_pause(run.pk)
        arrows.settle_paused(fence, error=reason, outcome=AttemptOutcome.INTERRUPTED)
    for pk in list(TaskStatus.objects.filter(state=State.WAITING).values_list("pk", flat=True)):
        arrows.pause_waiting(pk)
    cancelled += _cancel_followers(reason)
    arrows.pause_pending(TaskStatus.objects.all())
    paused = TaskStatus.objects.filter(state=State.PAUSED)
    paused.update(text=reason)
    return Held(paused.count(), cancelled)


def _cancel_followers(reason: str) -> int:
    """Cancel pending runs whose exclusive key another run holds, or will hold once paused."""
    keyed = TaskStatus.objects.filter(exclusive_key__isnull=False)
    taken = set(keyed.filter(state__in=STANDING).values_list("exclusive_key", flat=True))
    pending = keyed.filter(state__in=PENDING).order_by("-priority", "position")
    followers = []
    for pk, key in pending.values_list("pk", "exclusive_key").iterator():
        if key in taken:
            followers.append(pk)
        taken.add(key)
    cancelled = 0
    for first in range(0, len(followers), _BATCH):
        with transaction.atomic():
            cancelled += arrows.cancel_unheld(
                TaskStatus.objects.filter(pk__in=followers[first : first + _BATCH]),
                reason=f"Cancelled: another run of the same thing is held. {reason} "
                "Retry this one if it is still wanted.",
                retention=conf.RETENTION,
            )
    return cancelled
