"""Reports progress as fast as it can."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from backgroundtasks.handlers import Outcome, TaskContext, TaskHandler, permissions


class Floor:
    """What a report costs at least: a method that keeps what it is given."""

    __slots__ = ("latest",)

    def progress(self, processed: int, total: int | None = None, text: str | None = None) -> None:
        """Keep it."""
        self.latest = (processed, total, text)


class ReportProgress(TaskHandler):
    """Calls `context.progress` in a loop, and the floor in the same loop."""

    task_type = "ReportProgress"
    permissions = (permissions.Role("member"),)

    class Parameters(serializers.Serializer[Any]):
        """How often, and which first."""

        Calls = serializers.IntegerField(min_value=1)
        FloorFirst = serializers.BooleanField(default=False)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Return the calls a second of both."""
        calls = parameters["Calls"]
        if parameters["FloorFirst"]:
            floor, ours = _rate(Floor().progress, calls), _rate(context.progress, calls)
        else:
            ours, floor = _rate(context.progress, calls), _rate(Floor().progress, calls)
        return Outcome(result={"Ours": ours, "Floor": floor})


def _rate(report: Callable[[int, int], None], calls: int) -> float:
    began = time.perf_counter()
    for number in range(calls):
        report(number, calls)
    return calls / (time.perf_counter() - began)
