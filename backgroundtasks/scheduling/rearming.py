"""After a restore: schedules go on from now, and make nothing up."""

from __future__ import annotations

from backgroundtasks import clock
from backgroundtasks.cron import CronInvalid
from backgroundtasks.models import Schedule, ScheduleState
from backgroundtasks.scheduling.times import first_time


def rearm() -> int:
    """Move every active schedule to its first time after now; return how many. Safe to repeat."""
    now = clock.now()
    moved = 0
    for schedule in Schedule.objects.filter(state=ScheduleState.ACTIVE).iterator():
        try:
            schedule.next_at = first_time(schedule, now)
        except CronInvalid:
            continue  # it is marked broken when it is due
        if schedule.next_at is None:
            schedule.state = ScheduleState.COMPLETED
        schedule.save(update_fields=["next_at", "state"])
        moved += 1
    return moved
