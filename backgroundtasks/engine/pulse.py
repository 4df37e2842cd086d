"""The thread beside the work: renews leases, stores progress, hears of cancels."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from backgroundtasks import conf
from backgroundtasks.engine import process
from backgroundtasks.handlers.context import Cancelled, LeaseLost
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import TaskStatus, Worker
from backgroundtasks.states import HELD, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from backgroundtasks.engine.batch import Batch
    from backgroundtasks.engine.executor import Execution

logger = logging.getLogger(__name__)

#: How often (seconds) a run that reports nothing is looked at for a cancel.
_LOOK: Final = 0.5
#: After this time (seconds) of one run, the rest of its batch is given back.
_SLOW: Final = 0.1
#: Or of several that are done at once.
_SLOW_TOGETHER: Final = 0.5


class Pulse(threading.Thread):
    """
    One per worker process, with a database connection of its own.

    A handler that blocks all threads in C stalls it: the lease must be longer than that, and
    the keeper, another process, keeps the timeout then.
    """

    def __init__(self, worker_id: UUID, slow: Callable[[], None]) -> None:
        """
        Make the thread.

        Args:
            worker_id: Whose.
            slow: Called again and again while one run takes longer than a batch should.
        """
        super().__init__(name="pulse", daemon=True)
        self._worker_id = worker_id
        self._slow = slow
        self.batch: Batch | None = None
        self.execution: Execution | None = None
        self._beat_at = 0.0
        self._look_at = 0.0
        self._reported: object = None
        #: What is to be given back, by its token.
        self._rest: dict[int, list[UUID]] = {}
        self._lost = False
        self._ended = threading.Event()

    def end(self) -> None:
        """Beat no more, and leave no connection behind."""
        self._ended.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Tick until the worker ends."""
        tick = conf.PROGRESS_INTERVAL.total_seconds()
        while not self._ended.wait(tick):
            try:
                self._tick()
                if self._lost:
                    self._lost = False
                    logger.warning("pulse.database_back worker=%s", self._worker_id)
            except (DatabaseError, InterfaceError) as error:
                if not self._lost:
                    self._lost = True
                    logger.error(
                        "pulse.database_lost worker=%s error=%s; the work goes on while its "
                        "lease lasts",
                        self._worker_id,
                        str(error).partition("\n")[0],
                    )
                connection.close()
            self._fence_itself()
        connection.close()

    def _tick(self) -> None:
        now = time.monotonic()
        execution, batch = self.execution, self.batch
        if now - self._beat_at >= conf.HEARTBEAT.total_seconds():
            self._beat(batch)
            self._beat_at = now
        if execution is not None and batch is not None and execution.age > _slow(batch):
            self._slow()
            rest = batch.surrender()
            if rest:
                self._rest[batch.token] = rest
        for token, ids in list(self._rest.items()):
            arrows.give_back(ids, token=token)
            del self._rest[token]
        if execution is not None:
            self._watch(execution, now)
            self._leave(execution, now)

    def _watch(self, execution: Execution, now: float) -> None:
        """Store new progress, or else look now and then whether the run is still wanted."""
        latest = execution.context.latest
        state: State | None
        if latest is not None and latest is not self._reported:
            processed, total, text = execution.progress or (0, None, None)
            state = arrows.report(execution.fence, processed=processed, total=total, text=text)
            self._reported = latest
        elif now >= self._look_at and execution.age > _LOOK:
            fence = execution.fence
            found = TaskStatus.objects.filter(
                pk=fence.run_id, attempt=fence.attempt, token=fence.token, state__in=HELD
            ).values_list("state", flat=True)
            state = next((State(value) for value in found), None)
        else:
            return
        self._look_at = now + _LOOK
        # A run that ended meanwhile has no state of ours either; nobody asks it any more.
        if self.execution is execution:
            if state is None:
                execution.reason = LeaseLost
                execution.taken_at = execution.taken_at or now
            elif state is State.CANCELLING:
                execution.reason = Cancelled
            else:
                execution.pausing = state is State.PAUSING

    def _leave(self, execution: Execution, now: float) -> None:
        """
        End this process when its handler does not let go of a run that was taken from it.

        Nobody keeps the time-out of such a handler any more: its run has ended, or is another's.
        """
        taken_at = execution.taken_at
        if taken_at is None or now - taken_at < conf.CANCEL_GRACE.total_seconds():
            return
        if self.execution is execution:
            pid = os.getpid()
            logger.error(
                "worker.killed pid=%s run_id=%s type=%s; it held on to a run that was taken from it",
                pid,
                execution.run.id,
                execution.run.task_type,
            )
            process.kill(pid, process.started(pid) or 0)

    def _beat(self, batch: Batch | None) -> None:
        """Say that the worker lives, and renew what it holds."""
        Worker.objects.filter(pk=self._worker_id).update(beat_at=Now())
        held = batch.held if batch is not None else []
        if batch is not None and held:
            execution = self.execution
            lease = execution.handler.lease_of() if execution and execution.handler else conf.LEASE
            arrows.renew(held, token=batch.token, lease=lease)
            batch.renewed_at = time.monotonic()

    def _fence_itself(self) -> None:
        """Stop the work when its lease must have ended: somebody else may have it by now."""
        batch, execution = self.batch, self.execution
        if batch is None or execution is None or execution.handler is None:
            return
        lease = execution.handler.lease_of()
        if time.monotonic() - batch.renewed_at > lease.total_seconds():
            execution.reason = LeaseLost


def _slow(batch: Batch) -> float:
    return _SLOW_TOGETHER if batch.at_several else _SLOW
