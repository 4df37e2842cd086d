"""The runs that a worker holds right now, shared by its two threads."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from backgroundtasks.lifecycle.rows import ClaimedRun


class Batch:
    """
    What one claim brought: one run, or several short ones.

    The working thread takes them one by one; the pulse renews their lease, and gives those
    back that have not begun when the one before them turns out to be slow.
    """

    def __init__(self, runs: Sequence[ClaimedRun], token: int) -> None:
        self.token = token
        self.size = len(runs)
        #: Its last one may be claimed together with others, so the next ones may be too.
        self.is_short = runs[-1].batchable
        #: Several of its runs are done at once right now, which takes longer than one.
        self.at_several = False
        self.renewed_at = time.monotonic()
        self._lock = threading.Lock()
        self._waiting = list(reversed(runs))
        self._held = {run.id for run in runs}
        self._places = {run.id: place for place, run in enumerate(runs)}

    def take(self) -> ClaimedRun | None:
        """Return the next run to begin; None when none is left."""
        with self._lock:
            return self._waiting.pop() if self._waiting else None

    @property
    def waiting(self) -> list[ClaimedRun]:
        """The runs that have not begun, the next one first."""
        with self._lock:
            return self._waiting[::-1]

    def take_all(self, runs: Sequence[ClaimedRun]) -> list[ClaimedRun]:
        """Take these runs, to begin all at once; return those that were still waiting."""
        wanted = {run.id for run in runs}
        with self._lock:
            taken = [run for run in self._waiting if run.id in wanted]
            self._waiting = [run for run in self._waiting if run.id not in wanted]
            self.at_several = bool(taken)
            return taken[::-1]

    def put_back(self, runs: Sequence[ClaimedRun]) -> None:
        """Let those of the taken runs that have not begun after all wait again, where they waited."""
        with self._lock:
            self.at_several = False
            self._waiting = sorted(
                [*self._waiting, *runs], key=lambda run: self._places[run.id], reverse=True
            )

    def surrender(self) -> list[UUID]:
        """Take the runs that have not begun out of the batch; return their ids."""
        if not self._waiting:
            return []
        with self._lock:
            ids = [run.id for run in self._waiting]
            self._waiting.clear()
            self._held.difference_update(ids)
            return ids

    @property
    def held(self) -> list[UUID]:
        """The runs whose lease is to be renewed; finished ones do no harm among them."""
        with self._lock:
            return list(self._held)
