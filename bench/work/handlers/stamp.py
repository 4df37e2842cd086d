"""Tells when it began."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from backgroundtasks.handlers import TaskContext, TaskHandler, permissions
from bench.moments import tell


class Stamp(TaskHandler):
    """Sends the machine's monotonic time to a socket."""

    task_type = "Stamp"
    permissions = (permissions.Role("member"),)
    idempotent = True

    class Parameters(serializers.Serializer[Any]):
        """Where to."""

        Socket = serializers.CharField()

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> None:
        """Tell when the work began."""
        tell(parameters["Socket"])
