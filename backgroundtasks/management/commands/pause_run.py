"""Pause runs."""

from __future__ import annotations

from backgroundtasks import operations, queries
from backgroundtasks.management.operator_command import ORIGIN, operator
from backgroundtasks.management.over_ids import OverIdsCommand


class Command(OverIdsCommand):
    """A running one at its next safe checkpoint, one that waits for its children at once."""

    help = "Pause runs: running ones at their next safe checkpoint, waiting ones at once."

    def do(self, spelling: str) -> str:
        """Pause one run; return its id and its state."""
        run_id = queries.run_id_of(spelling)
        state = operations.pause(queries.operator_on(operator(), run_id, origin=ORIGIN), run_id)
        return f"{run_id} {state}"
