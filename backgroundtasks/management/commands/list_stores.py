"""List the backup stores."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks.maintenance import stores
from backgroundtasks.management import describe
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """Those of the settings and the registered ones; credentials are not shown."""

    help = "List the backup stores."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        known = stores.all_known()
        if as_json:
            described = [
                {
                    "name": store.name,
                    "kind": store.kind,
                    "default": store.is_default,
                    "registered": store.registered,
                    "settings": dict(store.settings),
                }
                for store in known
            ]
            self.stdout.write(describe.as_json(described))
            return
        heads = ("NAME", "KIND", "DEFAULT", "FROM", "PLACE")
        rows = [
            (
                store.name,
                store.kind,
                "yes" if store.is_default else "-",
                "registered" if store.registered else "settings",
                " ".join(str(value) for value in store.settings.values() if value),
            )
            for store in known
        ]
        self.stdout.write(describe.table(heads, rows))
