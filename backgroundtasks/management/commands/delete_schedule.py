"""Delete schedules."""

from __future__ import annotations

from backgroundtasks import operations
from backgroundtasks.management.over_ids import OverIdsCommand
from backgroundtasks.management.schedule_named import addressed


class Command(OverIdsCommand):
    """One that has a run under way, or that the installation needs, stays."""

    help = "Delete schedules; their finished runs go with the next flush."

    def do(self, spelling: str) -> str:
        """Delete one schedule; return its id."""
        actor, task_id = addressed(spelling)
        operations.delete_schedule(actor, task_id)
        return f"{task_id} deleted"
