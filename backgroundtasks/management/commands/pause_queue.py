"""Stop claiming from a queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management.operator_command import OperatorCommand
from backgroundtasks.management.queue_named import refuse_unknown_queue


class Command(OperatorCommand):
    """What runs, runs on; what is submitted, waits."""

    help = "Stop claiming from a queue; what runs, runs on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", metavar="QUEUE")

    def handle(self, *args: Any, queue: str, **options: Any) -> None:
        refuse_unknown_queue(queue)
        is_new = operations.pause_queue(queue)
        self.stdout.write(f"The queue {queue} {'is' if is_new else 'was already'} paused.")
