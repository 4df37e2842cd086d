"""Task types that start others: for tests of parents and children."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from rest_framework import serializers

from backgroundtasks.handlers import Outcome, TaskContext, TaskHandler, permissions


class Family(TaskHandler):
    """Start children and wait for them."""

    task_type = "Family"
    permissions = (permissions.Role("member"),)
    idempotent = True
    pausable = True
    backoff = timedelta(seconds=0.2)

    class Parameters(serializers.Serializer[Any]):
        """What to start."""

        Mark = serializers.CharField(
            required=False, help_text="file that gets a line per execution"
        )
        Children = serializers.IntegerField(default=2)
        Type = serializers.CharField(default="Work", help_text="of the children")
        Orders = serializers.JSONField(default=dict, help_text="the children's parameters")
        KillAfter = serializers.IntegerField(
            default=-1, help_text="kill -9 itself after so many starts, in the first attempt"
        )
        Progress = serializers.BooleanField(default=True)
        Key = serializers.CharField(required=False)

    @classmethod
    def exclusive_key(cls, parameters: Any) -> str | None:
        return parameters.get("Key")

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        if "Mark" in parameters:
            with Path(parameters["Mark"]).open("a") as file:
                file.write(f"{context.run_id} {context.attempt} {os.getpid()}\n")
        for number in range(parameters["Children"]):
            self._die_at(number, context, parameters)
            context.start_child(
                parameters["Type"],
                parameters["Orders"],
                key=f"child-{number}",
                title=f"Child {number}",
                labels={"number": str(number)},
            )
        self._die_at(parameters["Children"], context, parameters)
        children = context.wait_for_children(progress=parameters["Progress"])
        return Outcome(
            result={
                "States": [child.state for child in children],
                "Results": [dict(child.result) for child in children],
                "Errors": [child.error for child in children],
            }
        )

    def _die_at(self, number: int, context: TaskContext, parameters: dict[str, Any]) -> None:
        if context.attempt == 1 and parameters["KillAfter"] == number:
            os.kill(os.getpid(), signal.SIGKILL)


class FamilyOnce(Family):
    """Start children and wait for them; it may not run again by itself."""

    task_type = "FamilyOnce"
    idempotent = False
