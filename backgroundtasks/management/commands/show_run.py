"""Show all of one run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import queries
from backgroundtasks.management import describe
from backgroundtasks.management.operator_command import ORIGIN, OperatorCommand, operator


class Command(OperatorCommand):
    """Its state, parameters (secrets masked), attempts, messages and end."""

    help = "Show a run: state, parameters, attempts, messages, result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", help="in any spelling that an API shows")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, id: str, as_json: bool, **options: Any) -> None:  # noqa: A002 - the argument's name
        run_id = queries.run_id_of(id)
        actor = queries.operator_on(operator(), run_id, origin=ORIGIN)
        described = describe.details(actor, queries.get_run(actor, run_id))
        if as_json:
            self.stdout.write(describe.as_json(described))
        else:
            self.stdout.write("\n".join(describe.lines(described)))
