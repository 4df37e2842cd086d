"""Try a backup store out."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management import system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """Says in a line what is wrong with it."""

    help = "Write into a backup store, read it back, and remove it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        operations.validate_store(system_actor.read(), name)
        self.stdout.write(f"The store {name} can be listed, written to and read.")
