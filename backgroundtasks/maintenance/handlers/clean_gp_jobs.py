"""`CleanGPJobs`: finished runs go when their retention has passed, and what apps left behind."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.handlers import Outcome, TaskHandler, leftovers, permissions
from backgroundtasks.lifecycle import flushing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backgroundtasks.handlers import TaskContext

#: Of the time that a batch took, so long others may write undisturbed, where only one can at a time.
_REST: Final = 0.1
#: Seconds that a batch should take, and the runs that it may have.
_AIM: Final = 0.05
_LEAST, _MOST = 100, 1000
#: Batches after which SQLite's log is copied: several change the same pages.
_BATCHES: Final = 4


class CleanGPJobs(TaskHandler):
    """
    Delete finished runs past their retention, with what hangs on them, and what apps left behind.

    With runs the keeper does the same, a little at a time; this does all there is, in the same small
    batches. Its result counts both: `{"runs": 250, "files": 3}`.
    """

    task_type = "CleanGPJobs"
    permissions = permissions.INSTALLATION
    idempotent = True

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Return the same key for all: one cleaner at a time."""
        return "cleaner"

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Delete batch after batch."""
        flushed, size = 0, _LEAST
        with flushing.own_checkpoints() as checkpoint:
            for number in itertools.count(1):
                began = time.monotonic()
                batch = flushing.flush(size)
                if not batch:
                    break
                flushed += batch
                took = time.monotonic() - began
                if number % _BATCHES == 0:
                    checkpoint()  # others write meanwhile
                # A batch that had to wait, or was long, is followed by a smaller one.
                size = max(_LEAST, min(_MOST, int(size * min(2.0, _AIM / max(took, 0.001)))))
                context.progress(flushed, text="Cleaning")
                context.checkpoint(safe=True)
                if flushing.others_wait():
                    time.sleep(took * _REST)
        removed, problems = _remove_leftovers(context)
        context.progress(flushed, flushed, "GP Jobs have been cleaned.")
        return Outcome({"runs": flushed, **removed}, warnings=problems)


def _remove_leftovers(context: TaskContext) -> tuple[dict[str, int], list[str]]:
    """Remove what apps left behind; return how much, by name, and what could not be removed."""
    removed: dict[str, int] = {}
    problems: list[str] = []
    for name, remove in leftovers.registered().items():
        removed[name] = 0
        try:
            for number in remove():
                removed[name] += number
                context.checkpoint(safe=True)
        except OSError as error:
            # A file store that is away keeps nothing else from being cleaned.
            problems.append(f"{name}: {error.strerror or error}.")
    return removed, problems
