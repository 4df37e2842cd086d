"""What wakes a worker: a django-q2 task without any content."""

from __future__ import annotations

from typing import Any


def token() -> dict[str, Any]:
    """Return a task that makes the worker who gets it drain its queues."""
    return {
        "id": "drain",
        "name": "drain",
        "func": "backgroundtasks.engine.drain.drain",
        "args": (),
        "kwargs": {},
        # Without a row in django-q2's tables, and without its time-out, which would cover
        # the whole drain; ours is per run.
        "save": False,
        "timeout": -1,
    }
