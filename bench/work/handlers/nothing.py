"""No-ops: claimed in batches, and one at a time."""

from __future__ import annotations

from typing import Any

from backgroundtasks.handlers import TaskContext, TaskHandler, permissions


class Nothing(TaskHandler):
    """Does nothing; claimed in batches."""

    task_type = "Nothing"
    permissions = (permissions.Role("member"),)
    idempotent = True
    short = True

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> None:
        """Do nothing."""


class SingleNothing(Nothing):
    """Does nothing; claimed one at a time."""

    task_type = "SingleNothing"
    short = False
