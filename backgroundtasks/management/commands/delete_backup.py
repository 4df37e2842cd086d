"""Delete a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.maintenance import stores
from backgroundtasks.management import system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """One that is being verified or restored stays."""

    help = "Delete a backup."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--store", help="where it lies (default: the default store)")

    def handle(self, *args: Any, name: str, store: str | None, **options: Any) -> None:
        where = store or stores.default_name()
        operations.delete_backup(system_actor.read(), where, name)
        self.stdout.write(f"The backup {name} is deleted.")
