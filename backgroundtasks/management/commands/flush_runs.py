"""Delete finished runs whose retention has passed."""

from __future__ import annotations

from typing import Any

from backgroundtasks.lifecycle import flushing
from backgroundtasks.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """The keeper does it by itself; this is for when no worker command runs."""

    help = "Delete finished runs whose retention has passed, in small batches."

    def handle(self, *args: Any, **options: Any) -> None:
        flushed = 0
        while batch := flushing.flush():
            flushed += batch
        self.stdout.write(f"Flushed {flushed} runs.")
