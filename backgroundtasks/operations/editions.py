"""Keep what a scheduled task was, for the runs that it has made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import clock
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Edition, TaskStatus

if TYPE_CHECKING:
    from backgroundtasks.models import Schedule

#: What an edit can change; `queries.editions_of` reads them.
_OF_SCHEDULE: Final = ("expression", "max_runs", "generation")
_TIMES: Final = ("starts_at", "ends_at", "updated_at")


def keep(schedule: Schedule) -> None:
    """
    Store a schedule as it is, before it is edited; within the caller's transaction.

    Nothing is stored while it has no runs, and what no run shows any more goes.
    """
    # The first by their place in the queue: an index has them in that order.
    runs = TaskStatus.objects.filter(task_id=schedule.pk).order_by("position")
    oldest = runs.values_list("queued_at", flat=True).first()
    if oldest is None:
        return
    Edition.objects.filter(task_id=schedule.pk, until__lt=oldest).delete()
    Edition.objects.create(task_id=schedule.pk, until=clock.now(), values=_values(schedule))


def _values(schedule: Schedule) -> dict[str, Any]:
    times = {name: getattr(schedule, name) for name in _TIMES}
    return {
        "title": schedule.task.title,
        "parameters": secrets.mask(schedule.task.parameters),
        **{name: getattr(schedule, name) for name in _OF_SCHEDULE},
        **{name: at and at.isoformat() for name, at in times.items()},
    }
