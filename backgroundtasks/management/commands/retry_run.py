"""Do finished tasks once more."""

from __future__ import annotations

from backgroundtasks import operations, queries
from backgroundtasks.management.operator_command import ORIGIN, operator
from backgroundtasks.management.over_ids import OverIdsCommand


class Command(OverIdsCommand):
    """Each gets a new run; the finished one stays as it is."""

    help = "Start a new run of finished tasks; prints the new runs' ids."

    def do(self, spelling: str) -> str:
        """Retry one run; return the new run's id."""
        run_id = queries.run_id_of(spelling)
        return str(
            operations.retry(queries.operator_on(operator(), run_id, origin=ORIGIN), run_id).run_id
        )
