"""Run the tasks of schedules now, beside their times.."""

from __future__ import annotations

from backgroundtasks import operations
from backgroundtasks.management.over_ids import OverIdsCommand
from backgroundtasks.management.schedule_named import addressed


class Command(OverIdsCommand):
    """Prints the id of each new run."""

    help = "Run the tasks of schedules now, beside their times."

    def do(self, spelling: str) -> str:
        """Start a run of one schedule; return its id."""
        return str(operations.run_schedule_now(*addressed(spelling)).run_id)
