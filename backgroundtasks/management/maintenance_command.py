"""The base of commands that deal with backups."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from backgroundtasks.maintenance.errors import MaintenanceError
from backgroundtasks.management.operator_command import OperatorCommand


class MaintenanceCommand(OperatorCommand):
    """An operator's command whose refusals from `maintenance` are one line, too."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; say in one line what maintenance refuses."""
        try:
            return super().execute(*args, **options)
        except MaintenanceError as error:
            raise CommandError(str(error)) from None
