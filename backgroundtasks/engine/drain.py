"""
What a worker does when it is woken: claim, perform, finish, until nothing is left.

Finish and next claim are one statement: one commit a run instead of two.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
)

from backgroundtasks import clock, conf
from backgroundtasks.engine import process, together, wakeup
from backgroundtasks.engine.batch import Batch
from backgroundtasks.engine.executor import Execution, discard
from backgroundtasks.engine.pulse import Pulse
from backgroundtasks.lifecycle import arrows, families, store
from backgroundtasks.lifecycle.rows import Claim, Fence
from backgroundtasks.models import TaskStatus, Worker, conditions
from backgroundtasks.states import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from backgroundtasks.engine.cluster import StopFlag
    from backgroundtasks.engine.packet_queue import PacketQueue
    from backgroundtasks.engine.turn import Turn
    from backgroundtasks.lifecycle.rows import ClaimedRun, Finish

logger = logging.getLogger(__name__)

#: Good ends of a batch wait at most this long (seconds) for the others.
_FLUSH = 0.05
#: From this time (seconds) on short runs are taken to write, on SQLite.
_WRITING = 0.0005
#: After this time (seconds) at one queue, the next one has its turn.
_TURN = 0.2
#: How often a claim is tried that meets another worker's of the same exclusive key.
_TRIES = 3
#: How long (seconds) to wait between two tries while the database is away.
_AWAY = (0.2, 0.5, 1.0, 2.0)


class Drainer:
    """One worker process' work."""

    def __init__(
        self,
        queues: Sequence[str],
        *,
        stop_flag: StopFlag,
        tokens: PacketQueue | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.worker_id = uuid.uuid4()
        self._queues = list(queues)
        self._stop_flag = stop_flag
        self._tokens = tokens
        self._turn = turn
        self._pulse = Pulse(self.worker_id, slow=self._leave_turn)
        #: Average seconds of one short run; decides how many are claimed together.
        self._short = 0.0
        self._most = 1
        #: The last batch had runs that were done at once.
        self._joint = False
        #: Runs are claimed whose end is not stored yet.
        self.holds = False

    def begin(self) -> None:
        """Enter the worker in the list of workers, and start its pulse."""
        self.persist(
            lambda: Worker.objects.create(
                id=self.worker_id,
                host=process.host_name(),
                host_id=process.host_id(),
                pid=os.getpid(),
                pid_started=process.started(os.getpid()) or 0,
                started_at=clock.now(),
            )
        )
        # Made anew: from Python 3.13 on a thread made before the fork cannot be started after it.
        self._pulse = Pulse(self.worker_id, slow=self._leave_turn)
        self._pulse.start()

    def end(self) -> None:
        """Take the worker off the list; it holds nothing any more."""
        self._pulse.end()
        try:
            Worker.objects.filter(pk=self.worker_id).update(stopped_at=clock.now())
        except DatabaseError:
            connection.close()  # the keeper will notice that the process is gone

    def drain(self) -> int:
        """Do what can be claimed; return how many runs were begun."""
        begun = 0
        idle = 0
        finishes: list[Finish] = []
        token = 0
        chained = False
        turn = time.monotonic()
        while self._stop_flag.age is None and idle < len(self._queues):
            if any(finish.run_id in self._exclusive for finish in finishes):
                # The same statement could not see that the key is free again.
                self._flush(finishes, token)
                finishes = []
            most = self._most
            if most > 1 and not self._may_batch():
                self._flush(finishes, token)
                finishes = []
                # Whoever has the turn does the short ones meanwhile; one that is long is not left to it.
                time.sleep(conf.BATCH_TIME.total_seconds())
                most = 1
            new_token = secrets.randbits(62)
            claim = self._claim(self._queues[0], new_token, finishes, token, most=most)
            finishes, token = [], new_token
            self.holds = bool(claim.runs)
            if not claim.runs or time.monotonic() - turn > _TURN:
                # A queue that is never empty must not starve the others.
                self._queues.append(self._queues.pop(0))
                turn = time.monotonic()
            if not claim.runs:
                idle += 1
                continue
            idle = 0
            if not chained or claim.more:
                chained = True
                self._wake_another(full=len(claim.runs) == most or claim.more)
            finishes = self._work(claim.runs, token)
            begun += len(claim.runs)
            self._leave_turn()
        if finishes:
            self._flush(finishes, token)
        self._leave_turn()
        self.holds = False
        return begun

    def persist(self, write: Callable[[], Any]) -> Any:
        """
        Do a write of the engine's; while the database is away, wait and do it again.

        Nothing accepted may be lost for that. A worker that is being stopped waits no
        longer than its grace.
        """
        for tries in range(1_000_000):
            try:
                result = write()
            except (OperationalError, InterfaceError) as error:
                if connection.in_atomic_block:
                    raise  # a handler's transaction is lost: no further try could succeed in it
                age = self._stop_flag.age
                if age is not None and age > conf.STOP_GRACE.total_seconds():
                    raise
                if tries == 0:
                    logger.error(
                        "worker.database_lost worker=%s error=%s; it keeps what it has and tries "
                        "again",
                        self.worker_id,
                        str(error).partition("\n")[0],
                    )
                connection.close()
                time.sleep(_AWAY[min(tries, len(_AWAY) - 1)])
            else:
                if tries:
                    logger.warning("worker.database_back worker=%s", self.worker_id)
                return result
        return None

    # -- steps ------------------------------------------------------------------------------

    def _may_batch(self) -> bool:
        """
        Return whether this worker may work at short runs now.

        SQLite has one writer. Workers that write all the time wait for each other in sleeps, and find
        their caches stale after each wait: two of them did a third of what one does. Runs that take no
        time write nothing; those are done side by side.
        """
        if self._turn is None or connection.vendor != "sqlite":
            return True
        writes = self._joint or self._short > _WRITING
        return not writes or self._turn.take()

    def _leave_turn(self) -> None:
        if self._turn is not None:
            self._turn.leave()

    _exclusive: frozenset[UUID] = frozenset()

    def _claim(
        self, queue: str, token: int, finishes: list[Finish], finish_token: int, *, most: int
    ) -> Claim:
        """Finish and claim; when that cannot be one statement, first one, then the other."""
        for _ in range(_TRIES):
            try:
                claim: Claim = store().claim(
                    queue,
                    most=most,
                    token=token,
                    worker_id=self.worker_id,
                    lease=conf.LEASE,
                    finishes=finishes,
                    finish_token=finish_token,
                )
            except (DataError, IntegrityError):
                # A result that this database refuses, or another worker took the exclusive
                # key at the same moment: by now its claim can be seen.
                self._flush(finishes, finish_token)
                finishes = []
            except (DatabaseError, InterfaceError):
                connection.close()
                # The statement may have been committed all the same: what it claimed has not
                # begun, and what it finished is finished.
                self.persist(lambda: self._give_back_all(token))
                self._flush(finishes, finish_token)
                finishes = []
            else:
                self._check(finishes, claim.finished)
                return claim
        return Claim((), more=True, finished=frozenset())

    def _give_back_all(self, token: int) -> None:
        held = TaskStatus.objects.filter(conditions.HELD, token=token)
        ids = list(held.values_list("pk", flat=True))
        if ids:
            arrows.give_back(ids, token=token)

    def _work(self, runs: Sequence[ClaimedRun], token: int) -> list[Finish]:
        """Perform what was claimed; return the good ends that are not stored yet."""
        batch = Batch(runs, token)
        if not batch.is_short:
            self._leave_turn()
        self._pulse.batch = batch
        self._exclusive = frozenset(run.id for run in runs if run.exclusive_key)
        try:
            return self._work_off(batch)
        finally:
            self._pulse.batch = self._pulse.execution = None

    def _work_off(self, batch: Batch) -> list[Finish]:
        since = flushed_at = time.monotonic()
        finishes, began = self._work_together(batch)
        if batch.size > 1:
            self._joint = began > 0
        if finishes and batch.waiting:
            # Of the others one may be slow.
            self._flush(finishes, batch.token)
            finishes = []
        while (run := batch.take()) is not None:
            if self._stop_flag.age is not None:
                self.persist(lambda run=run: arrows.give_back([run.id], token=batch.token))  # type: ignore[misc]
                continue
            began += 1
            self._pulse.execution = execution = self._execution(run, batch)
            finish = execution.perform()
            self._pulse.execution = None
            if finish is not None:
                finishes.append(finish)
            if batch.size > 1 and finishes and time.monotonic() - flushed_at > _FLUSH:
                self._flush(finishes, batch.token)
                finishes = []
                flushed_at = time.monotonic()
        self._adapt(batch, began, time.monotonic() - since)
        return finishes

    def _work_together(self, batch: Batch) -> tuple[list[Finish], int]:
        """Do at once what can be; return the good ends and how many runs were done. The others wait on."""
        finishes: list[Finish] = []
        count = 0
        for group in together.groups(batch.waiting):
            if self._stop_flag.age is not None:
                break
            executions = [self._execution(run, batch) for run in batch.take_all(group)]
            if not executions:
                continue
            self._pulse.execution = executions[0]
            done = together.perform(executions)
            self._pulse.execution = None
            batch.put_back([one.left() for one in executions if one.run.id not in done])
            finishes += filter(None, done.values())
            count += len(done)
        return finishes, count

    def _execution(self, run: ClaimedRun, batch: Batch) -> Execution:
        return Execution(run, batch.token, stop_flag=self._stop_flag, persist=self.persist)

    def _adapt(self, batch: Batch, began: int, seconds: float) -> None:
        """Choose how many the next claim takes: as many short ones as fit in the batch time."""
        if not batch.is_short or not began:
            self._most = 1
            return
        self._short += (seconds / began - self._short) / 4
        fitting = conf.BATCH_TIME.total_seconds() / max(self._short, 1e-6)
        self._most = max(1, min(int(fitting), conf.BATCH))

    def _flush(self, finishes: Sequence[Finish], token: int) -> None:
        """Store good ends; one that the database refuses fails alone."""
        if not finishes:
            return
        try:
            finished = self.persist(lambda: store().finish(finishes, token=token))
        except DataError:
            if len(finishes) > 1:
                for finish in finishes:
                    self._flush([finish], token)
                return
            finish = finishes[0]
            fence = Fence(finish.run_id, finish.attempt, token)
            self.persist(
                lambda: arrows.fail(
                    fence,
                    error="The result cannot be stored in this database.",
                    temporary=False,
                    retention=finish.retention,
                )
            )
            return
        self._check(finishes, finished)

    def _check(self, finishes: Sequence[Finish], finished: frozenset[UUID]) -> None:
        """Record the ends that came too late, and look after who waited for the others."""
        parents = {finish.parent_id for finish in finishes if finish.parent_id is not None}
        if parents:
            self.persist(lambda: families.look_after(parents))
        for finish in finishes:
            if finish.run_id in finished:
                continue
            stored = TaskStatus.objects.filter(
                pk=finish.run_id, attempt=finish.attempt, state__in=GOOD
            )
            # After a broken connection the first try may have been committed after all.
            if not self.persist(stored.exists):
                self.persist(lambda finish=finish: discard(finish.run_id, finish.attempt))  # type: ignore[misc]

    def _wake_another(self, *, full: bool) -> None:
        """Parallelism is a chain: who found more than it took wakes one other worker."""
        if full and self._tokens is not None and self._tokens.empty():
            self._tokens.put(wakeup.token())


_drainer: Drainer | None = None


def prepare(queues: Sequence[str], *, stop_flag: StopFlag, tokens: PacketQueue, turn: Turn) -> None:
    """Set what the next forked worker works for."""
    global _drainer  # noqa: PLW0603 - it crosses the fork, and django-q2 calls a plain function
    _drainer = Drainer(queues, stop_flag=stop_flag, tokens=tokens, turn=turn)


def begin() -> None:
    """Start this process' life as a worker."""
    assert _drainer is not None  # noqa: S101 - prepared before the fork
    _drainer.begin()


def drain() -> None:
    """Do what can be done: django-q2 calls it for each token. It never raises."""
    assert _drainer is not None  # noqa: S101 - prepared before the fork
    try:
        _drainer.drain()
    except Exception:
        logger.exception("worker.drain_failed; what it held is settled by the keeper")
        connection.close()
        if _drainer.holds:
            # Nobody would end these runs. The process' death is noticed at once.
            os._exit(1)


def end() -> None:
    """End this process' life as a worker."""
    assert _drainer is not None  # noqa: S101 - prepared before the fork
    _drainer.end()
