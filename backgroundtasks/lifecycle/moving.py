"""What every arrow is made of: the guarded UPDATE, the fence, and what a change always writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import HELD, feet

if TYPE_CHECKING:
    from backgroundtasks.lifecycle.rows import Fence
    from backgroundtasks.states import State


def move(runs: QuerySet[TaskStatus], to: State, **also: Any) -> int:
    """Move the runs that stand at the foot of an arrow to `to`; return how many."""
    return runs.filter(state__in=feet(to)).update(state=to, **changed(), **also)


def fenced(fence: Fence) -> QuerySet[TaskStatus]:
    """Return the run, if `fence` still stands."""
    return TaskStatus.objects.filter(
        pk=fence.run_id, attempt=fence.attempt, token=fence.token, state__in=HELD
    )


def changed() -> dict[str, Any]:
    """Return what every visible change of a run writes."""
    return {"event": F("event") + 1, "modified_at": Now()}
