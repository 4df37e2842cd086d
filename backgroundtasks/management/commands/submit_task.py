"""Start a task from a shell."""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import operations, queries
from backgroundtasks.handlers import Actor
from backgroundtasks.management.operator_command import (
    ORIGIN,
    OperatorCommand,
    operator,
    user_named,
)
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
        parser.add_argument("task_type", metavar="TYPE", help="in any letter case")
        parser.add_argument(
            "--parameters",
            default="{}",
            metavar="JSON",
            help="an object; - reads it from standard input, which keeps secrets out of sight",
        )
        parser.add_argument(
            "--label",
            action="append",
            default=[],
            dest="labels",
            metavar="NAME=VALUE",
            help="for people and their filters; may be given several times",
        )
        parser.add_argument("--user", help="who starts it (default: the first superuser)")
        parser.add_argument("--account", type=UUID, help="id (default: the user's default one)")
        parser.add_argument("--wait", action="store_true", help="until it has ended")

    def handle(
        self,
        *args: Any,
        task_type: str,
        parameters: str,
        labels: list[str],
        user: str | None,
        account: UUID | None,
        wait: bool,
        **options: Any,
    ) -> None:
        actor = queries.actor_of(user_named(user) if user else operator(), account, origin=ORIGIN)
        submission = operations.submit(
            actor, task_type, _parsed(parameters), labels=dict(map(_label, labels))
        )
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


def _label(text: str) -> tuple[str, str]:
    """Return the name and the value of `name=value`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--label is written NAME=VALUE, not {text!r}.", returncode=2)
    return name, value


def _parsed(parameters: str) -> dict[str, Any]:
    """Return the JSON object that was given."""
    text = sys.stdin.read() if parameters == "-" else parameters
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--parameters is no JSON: {error}.", returncode=2) from None
    if not isinstance(parsed, dict):
        raise CommandError('--parameters must be an object: {"Name": value}.', returncode=2)
    return parsed
