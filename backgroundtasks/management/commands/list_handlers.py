"""List the task types of the installation."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks.handlers import TaskHandler, registry
from backgroundtasks.handlers.permissions import Permission
from backgroundtasks.management import describe
from backgroundtasks.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """What can be started here, and with which rules."""

    help = "List the task types with their queues and rules."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        described = [_described(handler) for handler in registry.all_handlers()]
        if as_json:
            self.stdout.write(describe.as_json(described))
            return
        heads = ("TYPE", "QUEUE", "PRIORITY", "TIMEOUT", "ATTEMPTS", "NEEDS", "TITLE")
        rows = [
            (
                handler["type"],
                handler["queue"],
                str(handler["priority"]),
                f"{handler['timeout']:g} s",
                str(handler["attempts"]),
                ", ".join(handler["permissions"]) or "nobody may start it",
                handler["title"],
            )
            for handler in described
        ]
        self.stdout.write(describe.table(heads, rows))


def _described(handler: type[TaskHandler]) -> dict[str, Any]:
    return {
        "type": handler.task_type,
        "title": handler.title(),
        "permissions": [_needed(permission) for permission in handler.permissions],
        "queue": handler.queue,
        "priority": handler.priority,
        "timeout": handler.timeout_of().total_seconds(),
        "attempts": handler.attempts_of(),
        "idempotent": handler.idempotent,
        "pausable": handler.pausable,
        "short": handler.short,
        "parameters": list(handler.Parameters().fields),
        "module": handler.__module__,
    }


def _needed(permission: Permission) -> str:
    """Return a permission as it is written in a handler: `Role("member")`."""
    name = getattr(permission, "name", None)
    return f"{type(permission).__name__}({json.dumps(name) if name else ''})"
