"""Work what is queued, here and now, within the test's own transaction."""

from __future__ import annotations

from unittest.mock import patch

from backgroundtasks import clock
from backgroundtasks.engine import executor, together
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State


class _NotStopping:
    """A stop flag that nobody sets."""

    age: float | None = None


def drain() -> None:
    """Do all runs that are due, as a worker does; a next attempt that is due, too."""
    executor._actors.clear()
    TaskStatus.objects.filter(state=State.SCHEDULED, run_after__lte=clock.now()).update(
        state=State.QUEUED
    )
    # A worker leaves whatever transaction a handler left open: here that would be the test's.
    with (
        patch.object(executor, "leave_transaction"),
        patch.object(together, "leave_transaction"),
    ):
        Drainer(["default"], stop_flag=_NotStopping()).drain()  # type: ignore[arg-type]
