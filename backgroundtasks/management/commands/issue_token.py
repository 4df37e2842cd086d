"""Print a bearer token, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import operations
from backgroundtasks.management.operator_command import OperatorCommand, user_named

_LONGEST = 100 * 365 * 24 * 60


class Command(OperatorCommand):
    """For scripts: `TOKEN=$(manage.py issue_token alice)`."""

    help = "Print a bearer token of a user, and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER")
        parser.add_argument("--minutes", type=int, help="life of the token (default 60)")
        parser.add_argument(
            "--scope",
            nargs="+",
            default=[],
            help="what it may do at most (default: all that the user may)",
        )

    def handle(
        self, *args: Any, user: str, minutes: int | None, scope: list[str], **options: Any
    ) -> None:
        if minutes is not None and not 0 < minutes <= _LONGEST:
            raise CommandError(f"--minutes must be from 1 to {_LONGEST}.", returncode=2)
        owner = user_named(user)
        if not owner.is_active:
            raise CommandError(f"The user {user!r} is not active, so the token would be refused.")
        life = None if minutes is None else timedelta(minutes=minutes)
        token, _ = operations.issue_token(owner, life=life, scope=" ".join(scope))
        self.stdout.write(token)
