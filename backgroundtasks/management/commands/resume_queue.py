"""Claim from a queue again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management.operator_command import OperatorCommand
from backgroundtasks.management.queue_named import refuse_unknown_queue


class Command(OperatorCommand):
    """Wakes the workers at once."""

    help = "Claim from a paused queue again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", metavar="QUEUE")

    def handle(self, *args: Any, queue: str, **options: Any) -> None:
        refuse_unknown_queue(queue)
        was_paused = operations.resume_queue(queue)
        self.stdout.write(f"The queue {queue} {'goes on' if was_paused else 'was not paused'}.")
