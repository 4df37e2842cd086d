"""List the schedules of all accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from backgroundtasks import queries
from backgroundtasks.management import describe
from backgroundtasks.management.operator_command import OperatorCommand, operator
from backgroundtasks.models import ScheduleState

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from backgroundtasks.models import Schedule


class Command(OperatorCommand):
    """A line a schedule, its id in front, or JSON."""

    help = "List the schedules, oldest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--state", nargs="+", default=[], choices=ScheduleState.values)
        parser.add_argument("--account", type=UUID, help="only those of this account (its id)")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(
        self,
        *args: Any,
        state: list[str],
        account: UUID | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        found = queries.schedules_of_all(operator(), account_id=account, states=state)
        described = [_summary(schedule) for schedule in found]
        if as_json:
            self.stdout.write(describe.as_json(described))
        elif described:
            heads = ("ID", "STATE", "TYPE", "EXPRESSION", "NEXT", "LAST", "RUNS", "TITLE")
            names = ("id", "state", "type", "expression", "next_at", "last_at", "runs", "title")
            rows = [[str(one[name] or "-") for name in names] for one in described]
            self.stdout.write(describe.table(heads, rows))
        else:
            self.stderr.write("There are no such schedules.")


def _summary(schedule: Schedule) -> dict[str, Any]:
    task = schedule.task
    return {
        "id": str(task.pk),
        "type": task.task_type,
        "title": task.title,
        "account": str(schedule.account_id),
        "owner": task.owner.get_username() if task.owner else None,
        "expression": schedule.expression,
        "state": schedule.state,
        "problem": schedule.problem,
        "next_at": describe.moment(schedule.next_at),
        "last_at": describe.moment(schedule.last_at),
        "last_run": str(schedule.last_run_id) if schedule.last_run_id else None,
        "runs": schedule.runs_made,
    }
