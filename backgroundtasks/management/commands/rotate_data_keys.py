"""Encrypt stored secrets under a new key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import operations
from backgroundtasks.handlers import data_keys
from backgroundtasks.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """The older keys stay behind the new one, so that nothing becomes unreadable."""

    help = "Put a new data key in front of the file, and encrypt all stored secrets under it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reseal-only",
            action="store_true",
            help="no new key: only encrypt all stored secrets under the first one that there is",
        )

    def handle(self, *args: Any, reseal_only: bool, **options: Any) -> None:
        if not reseal_only:
            data_keys.put_new_key_in_front(_file())
        resealed, unreadable = operations.reseal_secrets()
        self.stdout.write(f"Encrypted the secrets of {resealed} rows anew.")
        if unreadable:
            named = ", ".join(map(str, unreadable[:5]))
            raise CommandError(
                f"{len(unreadable)} rows hold secrets that no data key opens: {named}"
                f"{' …' if len(unreadable) > 5 else ''}. They stay as they are."  # noqa: PLR2004
            )


def _file() -> Path:
    path = data_keys.file()
    if path is None:
        raise CommandError(
            "The data keys come from the environment or the settings, which a command cannot "
            "change. Put a new key in front of them yourself, restart everything, then run "
            "manage.py rotate_data_keys --reseal-only."
        )
    return path
