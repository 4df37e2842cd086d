"""
Try a handler in a test: no worker, no queue, and no database but what the handler uses itself.

    run = perform(Reindex, {"Optimize": True})
    assert run.state == "succeeded"

The parameters go the whole way (validated, written as JSON, read again), so that a field whose
value cannot be stored is noticed. An exception that is no `TaskFailed` comes through, with its
traceback.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from backgroundtasks import exceptions
from backgroundtasks.handlers.context import (
    Cancelled,
    Interrupted,
    Paused,
    TaskContext,
    WorkerStopping,
)
from backgroundtasks.handlers.outcome import Outcome, TaskFailed
from backgroundtasks.states import State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from backgroundtasks.handlers.handler import TaskHandler


@dataclass(frozen=True, slots=True)
class Said:
    """A message that the handler wrote."""

    level: str
    key: str
    text: str
    parameters: dict[str, Any]


@dataclass(slots=True)
class Performed:
    """What became of the attempt."""

    #: `succeeded`, `warned`, `failed`, `cancelled`; `queued` when it stopped with its worker,
    #: `paused` when it was paused.
    state: State = State.RUNNING
    #: The outcome's values, as they come back from JSON.
    result: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    #: The text of `TaskFailed`; empty otherwise.
    error: str = ""
    #: `TaskFailed` said that it may pass by itself.
    temporary: bool = False
    messages: list[Said] = field(default_factory=list)
    #: The last `(processed, total, text)`; None when nothing was reported.
    progress: tuple[int, int | None, str | None] | None = None
    #: What the next attempt finds in `context.memory`.
    memory: dict[str, Any] = field(default_factory=dict)


def perform(
    handler: type[TaskHandler],
    parameters: dict[str, Any] | None = None,
    *,
    user: User | None = None,
    account_id: UUID | None = None,
    attempt: int = 1,
    memory: dict[str, Any] | None = None,
    cancel_after: int | None = None,
    stop_after: int | None = None,
    pause_after: int | None = None,
) -> Performed:
    """
    Do one attempt of a handler, here and now.

    Args:
        handler: The class.
        parameters: As a caller sends them.
        user: Whose task it is. Permissions are not asked: try them through the API.
        account_id: The task's account; a made-up one by default.
        attempt: 1 for the first.
        memory: What earlier attempts remembered; pass `Performed.memory` on to try resuming.
        cancel_after: Cancel at the checkpoint after so many passed ones (0: at the first).
        stop_after: Stop the worker instead, at a checkpoint that is safe.
        pause_after: Pause the run instead, likewise; only a handler that is `pausable`.

    Raises:
        ParametersInvalid: as a submission would be refused.
        TypeError: the result, a message's parameters or the memory are no JSON.
        NotPausable: it was to be paused, and its handler says that it cannot.
    """
    if pause_after is not None and not handler.pausable:
        raise exceptions.NotPausable(handler.task_type)
    given = handler.stored(handler.validated(parameters or {}))
    channel = _Channel(cancel_after=cancel_after, stop_after=stop_after, pause_after=pause_after)
    context = TaskContext(
        channel,
        run_id=uuid4(),
        task_id=uuid4(),
        account_id=account_id or uuid4(),
        user_id=user.pk if user else None,
        attempt=attempt,
        memory=memory,
    )
    performed = Performed(messages=channel.said)
    try:
        outcome = handler().perform(context, handler.loaded(_through_json(given))) or Outcome()
    except TaskFailed as failure:
        performed.state = State.FAILED
        performed.error, performed.temporary = str(failure), failure.temporary
    except Cancelled:
        performed.state = State.CANCELLED
    except Paused:
        performed.state = State.PAUSED
    except Interrupted:
        performed.state = State.QUEUED
    else:
        performed.state = State.WARNED if outcome.warnings else State.SUCCEEDED
        performed.result = _through_json(dict(outcome.result))
        performed.warnings = list(outcome.warnings)
    performed.progress = context.latest
    performed.memory = context.memory
    return performed


class _Channel:
    """Plays the engine: keeps what is said, and interrupts at the checkpoint that was ordered."""

    def __init__(
        self, *, cancel_after: int | None, stop_after: int | None, pause_after: int | None
    ) -> None:
        self.said: list[Said] = []
        self._passed = 0
        self._cancel_after = cancel_after
        self._stop_after = stop_after
        self._pause_after = pause_after

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Keep the message."""
        self.said.append(Said(level, key, text, _through_json(parameters)))

    def remember(self, memory: dict[str, Any]) -> None:
        """Refuse what could not be stored."""
        _through_json(memory)

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        """Count the checkpoint; interrupt if it is the one."""
        passed = self._passed
        self._passed += 1
        if self._cancel_after is not None and passed >= self._cancel_after:
            return Cancelled
        if safe and self._stop_after is not None and passed >= self._stop_after:
            return WorkerStopping
        if safe and self._pause_after is not None and passed >= self._pause_after:
            return Paused
        return None


def _through_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return what comes back when the value is stored as JSON."""
    back: dict[str, Any] = json.loads(json.dumps(value))
    return back
