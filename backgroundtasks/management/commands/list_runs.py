"""List the newest runs of all accounts."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from backgroundtasks import queries
from backgroundtasks.handlers import registry
from backgroundtasks.management import describe
from backgroundtasks.management.operator_command import OperatorCommand, operator
from backgroundtasks.states import FINAL, State

#: Words for several states at once.
_GROUPS = {
    "unfinished": tuple(state for state in State if state not in FINAL),
    "bad": (State.FAILED, State.LOST, State.CANCELLED),
}


class Command(OperatorCommand):
    """Newest first; a line a run, its id in front, or JSON."""

    help = "List the newest runs, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--state",
            nargs="+",
            default=[],
            choices=[*(state.value for state in State), *_GROUPS],
            help="only runs in one of these states",
        )
        parser.add_argument("--type", dest="task_type", help="only runs of this task type")
        parser.add_argument(
            "--label",
            action="append",
            default=[],
            dest="labels",
            metavar="NAME[=VALUE]",
            help="only runs of tasks with this label; may be given several times",
        )
        parser.add_argument("--account", type=UUID, help="only runs of this account (its id)")
        parser.add_argument("--limit", type=int, default=50, help="at most so many (default 50)")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(
        self,
        *args: Any,
        state: list[str],
        task_type: str | None,
        labels: list[str],
        account: UUID | None,
        limit: int,
        as_json: bool,
        **options: Any,
    ) -> None:
        if limit < 1:
            raise CommandError("--limit must be at least 1.", returncode=2)
        handler = registry.find(task_type) if task_type else None
        runs = queries.newest_runs(
            operator(),
            limit=limit,
            account_id=account,
            states=[found for word in state for found in _meant(word)],
            # Runs may outlive their handler: then the type is looked for as it was typed.
            task_type=handler.task_type if handler else task_type,
            where=reduce(and_, map(_labelled, labels), Q()),
        )
        described = [describe.summary(run) for run in runs]
        if as_json:
            self.stdout.write(describe.as_json(described))
        elif described:
            self.stdout.write(_table(described))
        else:
            self.stderr.write("There are no such runs.")


def _labelled(text: str) -> Q:
    name, equals, value = text.partition("=")
    return queries.labelled(name, value if equals else None)


def _meant(word: str) -> tuple[State, ...]:
    return _GROUPS[word] if word in _GROUPS else (State(word),)


def _table(described: list[dict[str, Any]]) -> str:
    heads = ("ID", "STATE", "TYPE", "OWNER", "QUEUED", "DONE", "TITLE")
    rows = [
        (
            run["id"],
            run["state"],
            run["type"],
            run["owner"] or "-",
            run["queued_at"],
            describe.progress(run["processed"], run["total"]),
            run["title"],
        )
        for run in described
    ]
    return describe.table(heads, rows)
