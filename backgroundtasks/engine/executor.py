"""One attempt of one run: from the claimed row to its end."""

from __future__ import annotations

import json
import logging
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection

from backgroundtasks import clock, conf, exceptions
from backgroundtasks.engine import children
from backgroundtasks.engine.cleaning import Cleaner, count
from backgroundtasks.handlers import Child, Outcome, TaskFailed, permissions, registry
from backgroundtasks.handlers.actor import Actor, actor_of, installation_in
from backgroundtasks.handlers.context import (
    Cancelled,
    Interrupted,
    LeaseLost,
    Paused,
    TaskContext,
    TimedOut,
    Waiting,
    WorkerStopping,
)
from backgroundtasks.lifecycle import arrows, families, store
from backgroundtasks.lifecycle.rows import ClaimedRun, Fence, Finish
from backgroundtasks.models import AttemptOutcome, Membership, Schedule, TaskStatus
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import Protocol
    from uuid import UUID

    class StopFlag(Protocol):
        """When the worker was asked to stop."""

        @property
        def age(self) -> float | None:
            """Seconds since it was asked; None while it was not."""

    class Persist(Protocol):
        """Does a write, and does it again until the database takes it."""

        def __call__(self, write: Callable[[], Any]) -> Any: ...


logger = logging.getLogger(__name__)

#: Share of the stop grace after which idempotent work is asked to stop at any checkpoint.
_LATE = 0.7
#: Characters of a traceback that are kept.
_TRACE = 8_000
#: After this time (seconds) of writing on SQLite, and for so long, others have their turn.
_TURN = 2.0
_GAP = 0.11
#: For messages from within a handler's transaction; its thread has a connection of its own.
_aside = ThreadPoolExecutor(1, "messages")
#: How long (seconds) the permission of an owner is believed without asking again.
_ACTOR_LIFE = 1.0
#: Owners remembered at most.
_ACTORS = 1000


class Execution:
    """The attempt that this worker is making; what its context talks to."""

    def __init__(
        self, run: ClaimedRun, token: int, *, stop_flag: StopFlag, persist: Persist
    ) -> None:
        self.run = run
        self.fence = Fence(run.id, run.attempt, token)
        self.handler = registry.find(run.task_type)
        self.began_at = self._gap_at = time.monotonic()
        #: Why the run must stop; set by the pulse, raised at the next checkpoint.
        self.reason: type[Interrupted] | None = None
        #: Somebody asked to pause; set by the pulse, heeded at the next safe checkpoint.
        self.pausing = False
        #: When (monotonic) the pulse saw that the run is no longer this worker's.
        self.taken_at: float | None = None
        self.context = TaskContext(
            self,
            run_id=run.id,
            task_id=run.task_id,
            account_id=run.account_id,
            user_id=run.owner_id,
            attempt=run.attempt,
            memory=run.memory,
        )
        #: Its memory was written, and may have been undone with a transaction of the handler's.
        self._remembered = False
        #: Key to run of the children that are known to this attempt; None: not looked up yet.
        self._started: dict[str, UUID] | None = None
        self._stop_flag = stop_flag
        self._persist = persist
        self._clean = Cleaner(run.parameters)
        self._timeout = (
            self.handler.timeout_of() if self.handler else conf.TIMEOUT
        ).total_seconds()

    def perform(self) -> Finish | None:
        """
        Run the handler and settle the run.

        Returns:
            How it ended well, for the caller to store together with others; None when the
            run was settled here in another way.
        """
        return self._settled(self._call)

    def finish(self, outcome: Outcome | None) -> Finish | None:
        """Return the good end of a run that was done together with others; see `perform`."""
        return self._settled(lambda: outcome)

    def left(self) -> ClaimedRun:
        """Return the run that was not done together with others: it remembers what is stored of it."""
        if not self._remembered:
            return self.run
        memory = TaskStatus.objects.filter(pk=self.run.id).values_list("memory", flat=True)
        return replace(self.run, memory=self._persist(memory.first))

    def parameters(self) -> dict[str, Any]:
        """
        Check once more that the run may be done; return what it is done with.

        Raises:
            Refused: it may not be.
        """
        if self.handler is None:
            raise Refused(f"No handler has the task type {self.run.task_type} any more.")
        try:
            permissions.require(
                self.handler.permissions,
                self._persist(lambda: _actor(self.run)),
                f"run {self.run.task_type}",
            )
            return self.handler.loaded(self.run.parameters)
        except exceptions.TaskCenterError as error:
            raise Refused(str(error)) from None

    def _settled(self, work: Callable[[], Outcome | None]) -> Finish | None:
        try:
            return self._finish(work())
        except Cancelled:
            self._cancel()
        except WorkerStopping:
            self._stop()
        except Paused:
            self._pause()
        except Waiting as wait:
            self._wait(progress=wait.progress)
        except LeaseLost:
            logger.warning("run.lease_lost run_id=%s attempt=%s", self.run.id, self.run.attempt)
        except TimedOut:
            self._give_up(f"Timed out after {self._timeout:g} s.", temporary=True)
        except TaskFailed as failure:
            self._attempt_failed(
                str(failure), temporary=failure.temporary, retry_after=failure.retry_after
            )
        except Refused as refusal:
            self._give_up(str(refusal))
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises ends its attempt only
            self._crashed(error)
        return None

    # -- what the context asks ------------------------------------------------------------

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """
        Store a message of the run, at once.

        Within a transaction of the handler it takes another connection: it is seen before
        the commit and survives a rollback, and it does not lock the run, whose lease must be
        renewed meanwhile. SQLite has one writer, so there it waits for the commit.
        """
        say = partial(
            arrows.say,
            self.fence,
            level=level if level in {"info", "warning", "error"} else "info",
            key=self._clean.text(key)[:100],
            text=self._clean.text(text),
            parameters=self._clean.json(parameters),
        )
        if connection.in_atomic_block and connection.vendor == "postgresql":
            _aside.submit(self._persist_aside, say).result()
        else:
            self._persist(say)

    def _persist_aside(self, write: Callable[[], Any]) -> None:
        """Do a write in the thread for messages, and leave no connection open there."""
        try:
            self._persist(write)
        finally:
            connection.close()

    def remember(self, memory: dict[str, Any]) -> None:
        """Store the run's memory."""
        self._remembered = True
        self._persist(lambda: arrows.remember(self.fence, memory))

    def commit_with_end(self) -> None:
        """Let the transaction at hand reach the disk with the commit of the run's end, which waits for it."""
        store().commit_lazily()

    def start_child(
        self,
        task_type: str,
        parameters: dict[str, Any],
        *,
        key: str,
        title: str,
        labels: Mapping[str, str] | None,
    ) -> UUID:
        """Start a child of the run, or find the one that an earlier attempt started."""
        if connection.in_atomic_block:
            # It would keep the run's row, and with it the pulse and every cancel, waiting.
            raise RuntimeError("Children are started outside of transactions.")
        if self._started is None:
            self._started = {child.key: child.run_id for child in self.children()}
        if key not in self._started:
            number = len(self._started)
            self._started[key] = self._persist(
                lambda: children.starter()(
                    self.fence,
                    _actor(self.run),
                    task_type,
                    parameters,
                    key=key,
                    number=number,
                    title=title,
                    labels=labels,
                )
            )
        return self._started[key]

    def children(self) -> list[Child]:
        """Return the children of the run, in the order of their start."""
        found = TaskStatus.objects.filter(parent_id=self.run.id).values_list(
            "child_number", "child_key", "pk", "task_type", "state", "result", "error"
        )
        return [
            Child(
                key=key,
                run_id=run_id,
                task_type=task_type,
                state=State(state),
                result=(result or {}).get("values") or {},
                error=error,
            )
            for _, key, run_id, task_type, state, result, error in self._persist(
                lambda: sorted(found.all(), key=lambda row: row[0])
            )
        ]

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        """Return why the run must stop here, or None."""
        self._let_others_write()
        if self.reason is not None:
            return self.reason
        if self.age > self._timeout:
            return TimedOut
        if safe and self.pausing:
            return Paused
        asked = self._stop_flag.age
        if asked is None:
            return None
        again = self.handler is not None and self.handler.idempotent
        late = asked > conf.STOP_GRACE.total_seconds() * _LATE
        return WorkerStopping if safe or (again and late) else None

    def _let_others_write(self) -> None:
        """
        Leave the one write lock of SQLite free for a moment, every few seconds.

        Who waits for it asks again at most every 100 ms. A handler that writes batch after
        batch leaves gaps below one: heartbeats, cancels and submissions would starve.
        """
        if connection.vendor != "sqlite" or connection.in_atomic_block:
            return
        now = time.monotonic()
        if now - self._gap_at > _TURN:
            time.sleep(_GAP)
            self._gap_at = now + _GAP

    @property
    def age(self) -> float:
        """Seconds since the attempt began."""
        return time.monotonic() - self.began_at

    @property
    def progress(self) -> tuple[int, int | None, str | None] | None:
        """The newest `(processed, total, text)`, fit to be stored; None without a report."""
        if self.context.latest is None:
            return None
        processed, total, text = self.context.latest
        processed = count(processed)
        total = None if total is None else count(total)
        known = total or self.run.total
        return (
            min(processed, known) if known else processed,
            total,
            None if text is None else self._clean.text(text),
        )

    # -- steps ------------------------------------------------------------------------------

    def _call(self) -> Outcome | None:
        """Do the run, if it may be done."""
        parameters = self.parameters()
        assert self.handler is not None  # noqa: S101 - it gave the parameters
        lease = self.handler.lease_of()
        if lease > conf.LEASE:
            self._persist(lambda: arrows.renew([self.run.id], token=self.fence.token, lease=lease))
        try:
            return self.handler().perform(self.context, parameters)
        finally:
            leave_transaction()

    def _finish(self, outcome: Outcome | None) -> Finish:
        """Return the good end; refuse a result that cannot be stored."""
        outcome = outcome or Outcome()
        result: dict[str, Any] | None = None
        if outcome.result or outcome.warnings:
            warnings = [self._clean.text(warning) for warning in outcome.warnings]
            result = {"values": dict(outcome.result), "warnings": warnings}
            try:
                # Encoded too: half a surrogate pair is no text that anybody could be shown.
                json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
            except (TypeError, ValueError) as error:
                raise TaskFailed(f"The result cannot be stored as JSON: {error}.") from None
            for warning in warnings:
                self.say("warning", "run.warning", warning, {})
            if warnings:
                logger.warning(
                    "run.warned run_id=%s type=%s attempt=%s warnings=%s first=%s",
                    self.run.id,
                    self.run.task_type,
                    self.run.attempt,
                    len(warnings),
                    warnings[0],
                )
        processed, total, text = self.progress or (0, None, None)
        total = total or self.run.total
        processed = max(processed, self.run.processed)
        return Finish(
            run_id=self.run.id,
            attempt=self.run.attempt,
            state=State.WARNED if outcome.warnings else State.SUCCEEDED,
            result=result,
            processed=processed,
            total=total,
            text=self.run.text if text is None else text,
            retention=self._retention,
            parent_id=self.run.parent_id,
        )

    def _crashed(self, error: BaseException) -> None:
        """An exception that the handler did not mean: keep its traceback for its author."""
        text = self._clean.text(_describe(error))
        # Its end tells most: cut at the front, and only after cleaning.
        trace = self._clean.text("".join(traceback.format_exception(error))[-2 * _TRACE :])
        logger.error(
            "run.crashed run_id=%s type=%s attempt=%s error=%s",
            self.run.id,
            self.run.task_type,
            self.run.attempt,
            text,
        )
        self.say("error", "run.exception", text, {"traceback": trace[-_TRACE:]})
        # A passing reason is assumed; only idempotent handlers have attempts left.
        self._attempt_failed(text, temporary=True)

    def _attempt_failed(
        self, text: str, *, temporary: bool, retry_after: timedelta | None = None
    ) -> None:
        """Plan the next attempt, or end the run."""
        failures = self.run.attempt - self.run.interruptions
        if (
            temporary
            and self.reason is not Cancelled
            and self.handler is not None
            and failures < self.handler.attempts_of()
        ):
            pause = self.handler.pause_before(failures) if retry_after is None else retry_after
            error = self._clean.text(text)
            planned = self._write(
                State.SCHEDULED,
                lambda: arrows.schedule_next_attempt(
                    self.fence,
                    run_after=clock.now() + pause,
                    error=error,
                    outcome=AttemptOutcome.FAILED,
                ),
            )
            if not planned and self._write(
                State.PAUSED,
                lambda: arrows.settle_paused(
                    self.fence, error=error, outcome=AttemptOutcome.FAILED, failed=True
                ),
            ):
                self._say_paused(f"Attempt {self.run.attempt} failed: {error}")
                return
            if planned:
                logger.warning(
                    "run.attempt_failed run_id=%s type=%s attempt=%s next_in=%.0fs error=%s",
                    self.run.id,
                    self.run.task_type,
                    self.run.attempt,
                    pause.total_seconds(),
                    error,
                )
                return
        self._give_up(text, temporary=temporary)

    def _give_up(self, text: str, *, temporary: bool = False) -> None:
        """End the run as failed."""
        error = self._clean.text(text) or "Failed without a reason."
        logger.error(
            "run.failed run_id=%s type=%s attempt=%s error=%s",
            self.run.id,
            self.run.task_type,
            self.run.attempt,
            error,
        )
        self._settle(
            State.FAILED,
            lambda: arrows.fail(
                self.fence, error=error, temporary=temporary, retention=self._retention
            ),
        )

    def _cancel(self) -> None:
        """End the run as somebody asked."""
        self._settle(
            State.CANCELLED,
            lambda: arrows.settle_cancelled(
                self.fence, reason="Cancelled.", retention=self._retention
            ),
        )

    def _stop(self) -> None:
        """Give the run back to its queue."""
        self._stand_down(
            error="The worker was stopped.",
            outcome=AttemptOutcome.INTERRUPTED,
            to=State.QUEUED,
        )

    def _pause(self) -> None:
        """Let go of the run until somebody resumes it."""
        self._stand_down(
            error="Paused at a safe checkpoint.", outcome=AttemptOutcome.PAUSED, to=State.PAUSED
        )

    def _wait(self, *, progress: bool) -> None:
        """Let go of the run until its children have ended."""
        self._store_progress()
        waits = partial(arrows.wait, self.fence, progress=progress)
        if not self._write(State.WAITING, waits):
            self._pause()  # or what else somebody asked for
            return
        # The last child may have ended before the run waited.
        self._persist(lambda: families.look_after([self.run.id], at_once=True))

    def _stand_down(self, *, error: str, outcome: AttemptOutcome, to: State) -> None:
        """
        Let go of the run without ending it, unless somebody asked to cancel it meanwhile.

        A pause may have been asked for or withdrawn at this moment too; the run's state decides.
        """
        self._store_progress()
        writes: dict[State, Callable[[], bool]] = {
            State.QUEUED: partial(arrows.requeue, self.fence, error=error, outcome=outcome),
            State.PAUSED: partial(arrows.settle_paused, self.fence, error=error, outcome=outcome),
        }
        other = State.PAUSED if to == State.QUEUED else State.QUEUED
        for way in (to, other, to, other):
            if self._write(way, writes[way]):
                if way == State.PAUSED:
                    self._say_paused(error)
                return
        self._cancel()

    def _say_paused(self, why: str) -> None:
        """Tell who looks at the run that it stands still."""
        text = f"{why} Resume it to let it go on."
        self._persist(
            lambda: arrows.note(
                self.run.id,
                level="info",
                key="run.paused",
                text=text,
                attempt=self.run.attempt,
            )
        )

    def _settle(self, to: State, write: Callable[[], bool]) -> None:
        """Store how the attempt ended, with the progress it had reached."""
        self._store_progress()
        if not self._write(to, write):
            self._persist(lambda: discard(self.run.id, self.run.attempt))

    def _store_progress(self) -> None:
        if self.progress is not None:
            processed, total, text = self.progress
            self._persist(
                lambda: arrows.report(self.fence, processed=processed, total=total, text=text)
            )

    def _write(self, to: State, write: Callable[[], bool]) -> bool:
        """Move the run to `to`; return whether this did it, at the first try or a later one."""
        tries = 0

        def counted() -> bool:
            nonlocal tries
            tries += 1
            return write()

        if self._persist(counted):
            return True
        # The first try may have been committed although its answer was lost.
        there = TaskStatus.objects.filter(pk=self.run.id, attempt=self.run.attempt, state=to)
        return tries > 1 and bool(self._persist(there.exists))

    @property
    def _retention(self) -> timedelta:
        retention: timedelta = self.handler.retention_of() if self.handler else conf.RETENTION
        return retention


class Refused(Exception):
    """The run may not be done (any more); no further attempt would change that."""


def discard(run_id: UUID, attempt: int) -> None:
    """Record that a late write was thrown away: the run was no longer its writer's."""
    logger.warning(
        "run.late_write_discarded run_id=%s attempt=%s; another attempt or an operator has it",
        run_id,
        attempt,
    )
    arrows.note(
        run_id,
        level="warning",
        key="run.late_write_discarded",
        text=f"Attempt {attempt} ended after the run was taken from it; its result was discarded.",
        attempt=attempt,
    )


def _describe(error: BaseException) -> str:
    """Return an exception's name and text; its own `str` may be broken."""
    try:
        return f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:  # noqa: BLE001 - the text is a handler's code
        return type(error).__name__


def leave_transaction() -> None:
    """Undo what a handler may have left behind on the connection, before the end is stored."""
    if connection.connection is None:
        return  # nothing is, and asking would open it: the database may be away
    if connection.in_atomic_block or not connection.get_autocommit():
        # Nobody is inside the block any more. Closed within it, it could not be opened again.
        connection.in_atomic_block = False
        connection.close()


_actors: dict[tuple[int | None, UUID], tuple[float, Actor]] = {}


def _actor(run: ClaimedRun) -> Actor:
    """
    Return the owner of a run as an actor; asked of the database at most once a second.

    Raises:
        AccountRefused: the owner is gone, or is no member any more.
    """
    owner_id, account_id = run.owner_id, run.account_id
    if owner_id is None:
        return _installation(run.task_id)
    key = (owner_id, account_id)
    known = _actors.get(key)
    if known is not None and time.monotonic() - known[0] < _ACTOR_LIFE:
        return known[1]
    actor = actor_of_id(owner_id, account_id)
    if len(_actors) > _ACTORS:
        _actors.clear()
    _actors[key] = (time.monotonic(), actor)
    return actor


def _installation(task_id: UUID) -> Actor:
    """Return the installation itself, whose protected tasks are nobody's."""
    own = Schedule.objects.filter(pk=task_id, protected=True, account__is_system=True)
    schedule = own.select_related("account").first()
    if schedule is None:
        raise exceptions.AccountRefused("(deleted)")
    return installation_in(schedule.account)


def actor_of_id(owner_id: int | None, account_id: UUID) -> Actor:
    """Return a user by id as an actor of an account; members by one query, a run waits for it."""
    of_user = Membership.objects.filter(user=owner_id, account=account_id)
    membership = of_user.select_related("user", "account").first()
    if membership is not None:
        return Actor(membership.user, membership.account, membership.role)
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - the model is the project's

    user = None if owner_id is None else get_user_model().objects.filter(pk=owner_id).first()
    if user is None:
        raise exceptions.AccountRefused("(deleted)")
    return actor_of(user, account_id)
