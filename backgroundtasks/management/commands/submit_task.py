"""Start a task from a shell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import operations
from backgroundtasks.handlers import Actor
from backgroundtasks.management import wished
from backgroundtasks.management.operator_command import OperatorCommand
from backgroundtasks.management.waiting import wait_for_end
from backgroundtasks.states import GOOD


class Command(OperatorCommand):
    """
    Prints the run's id; with --wait, then shows its progress and ends as it ends.

    Standard output has the id and, with --wait, the final state below it; everything else
    goes to standard error.
    """

    help = "Start a task; prints the run's id. With --wait: exit code 0 only if it ends well."

    def add_arguments(self, parser: CommandParser) -> None:
        wished.add_arguments(parser)
        parser.add_argument("--wait", action="store_true", help="until it has ended")

    def handle(
        self,
        *args: Any,
        wait: bool,
        **options: Any,
    ) -> None:
        wish = wished.read(**options)
        actor = wish.actor
        submission = operations.submit(actor, wish.task_type, wish.parameters, labels=wish.labels)
        self.stdout.write(str(submission.run_id))
        self.stdout.flush()
        if wait:
            self.wait(actor, submission.run_id)

    def wait(self, actor: Actor, run_id: UUID) -> None:
        """Show the run's progress until it has ended; refuse unless it ended well."""
        try:
            run = wait_for_end(actor, run_id, self.stderr)
        except KeyboardInterrupt:
            raise CommandError(
                f"Not waiting any longer; the run goes on. Look at it with manage.py show_run "
                f"{run_id}, stop it with manage.py cancel_run {run_id}.",
                returncode=130,
            ) from None
        self.stdout.write(run.state)
        if run.state not in GOOD:
            raise CommandError(run.error or f"The run is {run.state}.")
        for warning in (run.result or {}).get("warnings", []):
            self.stderr.write(f"Warning: {warning}")
