"""Back up the installation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import closed, operations
from backgroundtasks.management import passcode, system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand
from backgroundtasks.management.waiting import wait_for_end
from backgroundtasks.states import GOOD


class Command(MaintenanceCommand):
    """Submits a `CreateBackup` and waits for it; a worker makes the backup."""

    help = "Back up the installation while it works; prints the backup's name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="backup", help="beginning of its name")
        parser.add_argument("--store", help="where it is to lie (default: the default store)")
        parser.add_argument("--description", default="", help="readable without the passcode")
        parser.add_argument(
            "--keep-days", type=int, help="removed after so many days (default: never)"
        )

    def handle(
        self,
        *args: Any,
        name: str,
        store: str | None,
        description: str,
        keep_days: int | None,
        **options: Any,
    ) -> None:
        if closed.is_closed():
            raise CommandError("The installation is closed: no worker would make the backup.")
        parameters: dict[str, Any] = {
            "name": name,
            "passcode": passcode.asked(twice=True),
            "description": description,
        }
        if store is not None:
            parameters["storeName"] = store
        if keep_days is not None:
            parameters["retentionOffset"] = (
                keep_days * timedelta(days=1) // timedelta(milliseconds=1)
            )
        actor = system_actor.read()
        submission = operations.submit(actor, "CreateBackup", parameters)
        try:
            run = wait_for_end(actor, submission.run_id, self.stderr)
        except KeyboardInterrupt:
            raise CommandError(
                f"Not waiting any longer; the backup goes on as run {submission.run_id}.",
                returncode=130,
            ) from None
        if run.state not in GOOD:
            raise CommandError(run.error or f"The run is {run.state}.")
        self.stdout.write((run.result or {})["values"]["name"])
