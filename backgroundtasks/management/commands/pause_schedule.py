"""Stop schedules."""

from __future__ import annotations

from backgroundtasks import operations
from backgroundtasks.management.over_ids import OverIdsCommand
from backgroundtasks.management.schedule_named import addressed


class Command(OverIdsCommand):
    """Their times pass without a run until they are resumed."""

    help = "Stop schedules; what runs, runs on."

    def do(self, spelling: str) -> str:
        """Pause one schedule; return its id and its state."""
        schedule = operations.pause_schedule(*addressed(spelling))
        return f"{schedule.pk} {schedule.state}"
