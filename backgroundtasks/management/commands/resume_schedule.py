"""Let paused or broken schedules fire again, from their next time on.."""

from __future__ import annotations

from backgroundtasks import operations
from backgroundtasks.management import describe
from backgroundtasks.management.over_ids import OverIdsCommand
from backgroundtasks.management.schedule_named import addressed


class Command(OverIdsCommand):
    """Nothing is made up for."""

    help = "Let paused or broken schedules fire again, from their next time on."

    def do(self, spelling: str) -> str:
        """Resume one schedule; return its id and its next time."""
        schedule = operations.resume_schedule(*addressed(spelling))
        return f"{schedule.pk} {schedule.state}, next {describe.moment(schedule.next_at)}"
