"""Forget a registered backup store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management import system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """Nothing in it is deleted; one that is needed stays registered."""

    help = "Forget a registered backup store; what lies in it stays there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--leave-backups",
            action="store_true",
            help="even though there are backups in it, or it cannot be reached",
        )

    def handle(self, *args: Any, name: str, leave_backups: bool, **options: Any) -> None:
        operations.unregister_store(system_actor.read(), name, leave_backups=leave_backups)
        self.stdout.write(f"The store {name} is not registered any longer.")
