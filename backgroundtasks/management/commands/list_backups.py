"""List the backups of a store."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks.maintenance import stores
from backgroundtasks.management import describe, store_named
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """What can be told without their passcodes; needs no database."""

    help = "List the backups of a store, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        store_named.add_arguments(parser)
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        found, unreadable = stores.listed(store_named.read(**options))
        if as_json:
            self.stdout.write(describe.as_json([asdict(backup) for backup in found]))
        elif found:
            self.stdout.write(table(found))
        else:
            self.stderr.write("There are no backups.")
        for name in unreadable:
            self.stderr.write(f"{name} cannot be read: it is damaged, or of a newer release.")


def table(found: list[stores.Backup]) -> str:
    """Return backups as a table for people."""
    heads = ("NAME", "MADE", "BYTES", "DATABASE", "RELEASE", "KEPT UNTIL", "DESCRIPTION")
    rows = [
        (
            backup.name,
            f"{backup.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            str(backup.size),
            backup.database,
            backup.release,
            f"{backup.retention_date.astimezone(UTC):%Y-%m-%d}" if backup.retention_date else "-",
            backup.description.partition("\n")[0][:60],
        )
        for backup in found
    ]
    return describe.table(heads, rows)
