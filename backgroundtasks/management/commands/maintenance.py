"""Close the installation, and open it again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import closed
from backgroundtasks.maintenance import restore
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """While it is closed the web server answers 503 and workers stop; needs no database."""

    help = "Close the installation for maintenance, open it again, or say which it is."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("wish", choices=["on", "off", "status"])
        parser.add_argument("--reason", default="Maintenance.", help="for people who meet a 503")

    def handle(self, *args: Any, wish: str, reason: str, **options: Any) -> None:
        if closed.folder() is None:
            raise CommandError("Set MAINTENANCE_DIR in settings.TASKCENTER first.")
        if wish == "on":
            closed.close(reason)
        elif wish == "off":
            if name := restore.interrupted():
                raise CommandError(
                    f"The restore of {name} has not ended: restore_backup --continue or --undo."
                )
            closed.reopen()
        self.stdout.write(f"Closed: {closed.reason()}" if closed.is_closed() else "Open.")
