"""Print when a cron expression fires."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from backgroundtasks import clock
from backgroundtasks.cron import CronInvalid, parse
from backgroundtasks.management.moments import read_moment

if TYPE_CHECKING:
    from argparse import ArgumentParser

_MOST = 100_000


class Command(BaseCommand):
    """One time a line, ISO 8601 in UTC; exit code 2 for an expression that is none."""

    help = "Print the next times at which a Quartz cron expression fires, one a line, in UTC."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the expression, and what to print of it."""
        parser.add_argument("expression", help="six or seven fields: '0 0 4 ? * MON-FRI'")
        parser.add_argument(
            "--after",
            metavar="ISO",
            type=read_moment,
            help="strictly after this time; UTC without a zone; now by default",
        )
        parser.add_argument(
            "--count", metavar="N", type=_count, default=10, help="how many; 10 by default"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the times; fewer than asked for when the expression ends."""
        try:
            cron = parse(options["expression"])
        except CronInvalid as error:
            raise CommandError(str(error), returncode=2) from None
        moment: datetime = options["after"] or clock.now()
        for _ in range(options["count"]):
            following = cron.next_after(moment)
            if following is None:
                break
            moment = following
            self.stdout.write(moment.isoformat().replace("+00:00", "Z"))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _MOST:
        raise ArgumentTypeError(f"{text!r} is no number of 1 to {_MOST}")
    return int(text)
