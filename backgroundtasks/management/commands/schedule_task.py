"""Have a task run again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backgroundtasks import operations
from backgroundtasks.management import describe, wished
from backgroundtasks.management.moments import read_moment
from backgroundtasks.management.operator_command import OperatorCommand
from backgroundtasks.models import Missed, Overlap
from backgroundtasks.operations import Timing

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(OperatorCommand):
    """Prints the schedule's id, and its next time to standard error."""

    help = "Run a task at the times of a Quartz cron expression (UTC); prints the schedule's id."

    def add_arguments(self, parser: CommandParser) -> None:
        wished.add_arguments(parser)
        parser.add_argument("expression", metavar="EXPRESSION", help="'0 0 4 ? * MON-FRI'")
        parser.add_argument("--title", default="", help="for people")
        for name, words in (("starts", "not before"), ("ends", "not after")):
            parser.add_argument(
                f"--{name}", metavar="ISO", type=read_moment, help=f"{words} this time"
            )
        parser.add_argument("--max-runs", type=int, metavar="N", help="completed after so many")
        parser.add_argument(
            "--overlap",
            choices=Overlap.values,
            default=Overlap.SKIP.value,
            help="when the run before has not finished (default: skip)",
        )
        parser.add_argument(
            "--missed",
            choices=Missed.values,
            default=Missed.ONCE.value,
            help="after times at which nobody could start a run (default: once)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wish = wished.read(**options)
        schedule = operations.create_schedule(
            wish.actor,
            wish.task_type,
            wish.parameters,
            Timing(
                options["expression"],
                starts_at=options["starts"],
                ends_at=options["ends"],
                max_runs=options["max_runs"],
                overlap=options["overlap"],
                missed=options["missed"],
            ),
            title=options["title"],
            labels=wish.labels,
        )
        self.stdout.write(str(schedule.pk))
        self.stderr.write(f"It runs next at {describe.moment(schedule.next_at)}.")
