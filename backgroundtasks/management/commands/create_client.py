"""Make an OAuth client."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management.operator_command import OperatorCommand, user_named


class Command(OperatorCommand):
    """A program that gets tokens by its id and secret and acts as its user."""

    help = "Make an OAuth client that acts as a user; prints its id and, only now, its secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="for people")
        parser.add_argument("user", metavar="USER", help="whom it acts as")
        parser.add_argument(
            "--scope",
            nargs="+",
            default=[],
            help="what its tokens may do at most (default: all that the user may)",
        )

    def handle(self, *args: Any, name: str, user: str, scope: list[str], **options: Any) -> None:
        client, secret = operations.create_client(name, user_named(user), scope=" ".join(scope))
        self.stdout.write(f"client_id={client.pk}\nclient_secret={secret}")
