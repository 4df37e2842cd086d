"""Tell a supervisor or a monitor whether work is done here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import clock, queries
from backgroundtasks.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """Judges by work, not by process lists: beats, and the age of the oldest runnable run."""

    help = (
        "Exit with 1 when no worker has beaten within its lease, or the oldest run that could "
        "be claimed waits for longer than --max-age."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--max-age", type=float, default=60.0, metavar="SECONDS", help="default 60"
        )

    def handle(self, *args: Any, max_age: float, **options: Any) -> None:
        workers = queries.live_workers().count()
        if not workers:
            raise CommandError(_no_worker())
        late = [
            f"the oldest run in the queue {queue.name} has waited {_seconds(queue.oldest)}"
            for queue in queries.queue_health()
            if not queue.paused
            and queue.oldest is not None
            and queue.oldest.total_seconds() > max_age
        ]
        if late:
            raise CommandError(f"Workers that beat: {workers}, but {', and '.join(late)}.")
        self.stdout.write(f"All well. Workers that beat: {workers}; no run waits too long.")


def _no_worker() -> str:
    last = queries.last_beat()
    if last is None:
        return "No worker has ever run here: start manage.py runworkers."
    return f"No worker beats; the last one was heard of {_seconds(clock.now() - last)} ago."


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f} s"
