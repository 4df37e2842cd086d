"""Let paused runs go on."""

from __future__ import annotations

from backgroundtasks import operations, queries
from backgroundtasks.management.operator_command import ORIGIN, operator
from backgroundtasks.management.over_ids import OverIdsCommand


class Command(OverIdsCommand):
    """Each goes back to its queue, or simply on when it had not stopped yet."""

    help = "Resume paused runs: they go back to their queue."

    def do(self, spelling: str) -> str:
        """Resume one run; return its id and its state."""
        run_id = queries.run_id_of(spelling)
        state = operations.resume(queries.operator_on(operator(), run_id, origin=ORIGIN), run_id)
        return f"{run_id} {state}"
