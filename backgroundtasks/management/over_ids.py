"""The base of commands that do one thing to several runs or schedules."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import exceptions
from backgroundtasks.management.operator_command import OperatorCommand


class OverIdsCommand(OperatorCommand):
    """Goes over what is named; one that is refused stops none of the others."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the ids."""
        parser.add_argument(
            "ids", metavar="ID", nargs="+", help="in any spelling that an API shows"
        )

    def handle(self, *args: Any, ids: list[str], **options: Any) -> None:
        """Do it to each, a line each; exit code 1 when one was refused."""
        refused = []
        for spelling in ids:
            try:
                self.stdout.write(self.do(spelling))
            except exceptions.TaskCenterError as error:
                refused.append(str(error))
        if refused:
            raise CommandError("\n".join(refused))

    @abstractmethod
    def do(self, spelling: str) -> str:
        """Do it to one, named in any spelling; return the line that says so."""
