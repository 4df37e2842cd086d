"""
Parents and their children: who waits for whom, and how far they are together.

A child that ends never touches its parent's row in its own transaction: it would wait for
whoever has locked that, a cancel for instance, which then wants the child's. Whoever ended it
looks after the parent behind the commit, and the keeper does for those who were killed in
between.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Greatest, Now

from backgroundtasks.lifecycle import store
from backgroundtasks.lifecycle.moving import changed, fenced, move
from backgroundtasks.models import TaskStatus, conditions
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from backgroundtasks.lifecycle.rows import Fence

#: Parents looked after at once.
_MOST: Final = 500
#: The progress of a large family is not summed up more often.
_FRESH: Final = timedelta(seconds=0.5)
_UNFINISHED: Final = [state.value for state in State if state not in FINAL]


def hold(fence: Fence) -> State | None:
    """
    Keep others from moving a run until the current transaction ends; return where it stands.

    None: its fence has fallen.
    """
    locked = fenced(fence).select_for_update(no_key=True)
    return next((State(value) for value in locked.values_list("state", flat=True)), None)


def find_child(parent_id: UUID, key: str) -> UUID | None:
    """Return the child that was started with this key."""
    found = TaskStatus.objects.filter(parent_id=parent_id, child_key=key)
    return found.values_list("pk", flat=True).first()


def holds_above(run_id: UUID, exclusive_key: str) -> bool:
    """Return whether the run, or one above it, has the exclusive key."""
    above: UUID | None = run_id
    while above is not None:
        found = TaskStatus.objects.filter(pk=above).values_list("parent_id", "exclusive_key")
        above, key = found.first() or (None, None)
        if key == exclusive_key:
            return True
    return False


def look_after(parents: Collection[UUID], *, at_once: bool = False) -> int:
    """
    Waiting → queued, for those of the runs whose children have all ended.

    The others' progress is brought up to date, unless (without `at_once`) that was done a
    moment ago.

    Returns:
        How many were queued.
    """
    waiting = TaskStatus.objects.filter(pk__in=parents, state=State.WAITING)
    woken = _wake(waiting)
    _sum_up(waiting if at_once else waiting.filter(modified_at__lt=Now() - _FRESH))
    return woken


def look_after_all() -> int:
    """Do the same for every run that waits; return how many were queued."""
    waiting = TaskStatus.objects.filter(conditions.STANDING, state=State.WAITING)
    if not waiting.exists():
        return 0
    woken = _wake(waiting)
    _sum_up(waiting)
    return woken


def _wake(waiting: QuerySet[TaskStatus]) -> int:
    """Queue the parents that need not wait any more."""
    unfinished = TaskStatus.objects.filter(parent=OuterRef("pk"), state__in=_UNFINISHED)
    # Looked for before the write: on SQLite one that moves nothing would take the lock too.
    ids = list(waiting.exclude(Exists(unfinished)).values_list("pk", flat=True)[:_MOST])
    if not ids:
        return 0
    ready = TaskStatus.objects.filter(pk__in=ids, state=State.WAITING)
    _sum_up(ready)
    with transaction.atomic():
        moved = move(ready, State.QUEUED, run_after=Now())
        if moved:
            store().wake()
    return moved


def _sum_up(waiting: QuerySet[TaskStatus]) -> None:
    """Show the progress of children as that of their parents, where it has changed."""
    showing = waiting.filter(progress_of_children=True)
    stale = showing.annotate(done=_sum(_DONE), all=_sum(_ALL)).exclude(
        processed=F("done"), total=F("all")
    )
    ids = list(stale.values_list("pk", flat=True)[:_MOST])
    if ids:
        TaskStatus.objects.filter(pk__in=ids, state=State.WAITING).update(
            processed=_sum(_DONE), total=_sum(_ALL), **changed()
        )


#: A child that has not counted yet is one thing to do; one that has ended is done with all.
_ALL: Final = Greatest("total", Value(1))
_DONE: Final = Case(
    When(state__in=[state.value for state in FINAL], then=_ALL),
    When(total=0, then=Value(0)),
    default=F("processed"),
)


def _sum(what: Case | Greatest) -> Subquery:
    """Return the sum over the children of a run."""
    children = TaskStatus.objects.filter(parent=OuterRef("pk")).order_by()
    # Of one row by itself; from Django 6.1 on that must be said where it is compared.
    return Subquery(children.values("parent").annotate(sum=Sum(what)).values("sum")[:1])
