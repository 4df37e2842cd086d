"""`PerformanceProbe`: what `PerformanceTest` starts to see how soon it begins."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from backgroundtasks.handlers import Outcome, TaskContext, TaskHandler, permissions


class PerformanceProbe(TaskHandler):
    """Does nothing but say when it began; a performance test starts it."""

    task_type = "PerformanceProbe"
    permissions = (permissions.InstallationOperator(),)
    idempotent = True
    short = True
    retention = timedelta(hours=1)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Return the moment."""
        return Outcome({"Began": time.time()})
