"""Cancel runs."""

from __future__ import annotations

from backgroundtasks import operations, queries
from backgroundtasks.management.operator_command import ORIGIN, operator
from backgroundtasks.management.over_ids import OverIdsCommand


class Command(OverIdsCommand):
    """A waiting run at once, a running one at its next checkpoint."""

    help = "Cancel runs: waiting ones at once, running ones at their next checkpoint."

    def do(self, spelling: str) -> str:
        """Cancel one run; return its id and its state."""
        run_id = queries.run_id_of(spelling)
        state = operations.cancel(queries.operator_on(operator(), run_id, origin=ORIGIN), run_id)
        return f"{run_id} {state}"
