"""Choose the default backup store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management import system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """Schedules that name no store take it from their next time on."""

    help = "Make a backup store the one that is taken where none is named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        operations.make_store_default(system_actor.read(), name)
        self.stdout.write(f"The store {name} is the default now.")
