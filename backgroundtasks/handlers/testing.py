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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from backgroundtasks import exceptions
from backgroundtasks.handlers import registry
from backgroundtasks.handlers.children import Child
from backgroundtasks.handlers.context import (
    Cancelled,
    Interrupted,
    Paused,
    TaskContext,
    Waiting,
    WorkerStopping,
)
from backgroundtasks.handlers.outcome import Outcome, TaskFailed
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import User

    from backgroundtasks.handlers.handler import TaskHandler


@dataclass(frozen=True, slots=True)
class Said:
    """A message that the handler wrote."""

    level: str
    key: str
    text: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Started:
    """A child that the handler started in this attempt."""

    key: str
    #: As its handler spells it.
    task_type: str
    #: As the handler gave them; they are valid.
    parameters: dict[str, Any]
    title: str
    labels: dict[str, str]
    run_id: UUID


@dataclass(slots=True)
class Performed:
    """What became of the attempt."""

    #: `succeeded`, `warned`, `failed`, `cancelled`; `queued` when it stopped with its worker,
    #: `paused` when it was paused, `waiting` when it waits for its children.
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
    #: The children that it started and that `children` did not know, in that order.
    children: list[Started] = field(default_factory=list)


def perform(
    handler: type[TaskHandler],
    parameters: dict[str, Any] | None = None,
    *,
    user: User | None = None,
    account_id: UUID | None = None,
    run_id: UUID | None = None,
    attempt: int = 1,
    memory: dict[str, Any] | None = None,
    cancel_after: int | None = None,
    stop_after: int | None = None,
    pause_after: int | None = None,
    children: Mapping[str, Outcome | TaskFailed] | None = None,
) -> Performed:
    """
    Do one attempt of a handler, here and now.

    Args:
        handler: The class.
        parameters: As a caller sends them.
        user: Whose task it is. Permissions are not asked: try them through the API.
        account_id: The task's account; a made-up one by default.
        run_id: Of the run; a made-up one by default. Pass one on to try what its attempts share.
        attempt: 1 for the first.
        memory: What earlier attempts remembered; pass `Performed.memory` on to try resuming.
        cancel_after: Cancel at the checkpoint after so many passed ones (0: at the first).
        stop_after: Stop the worker instead, at a checkpoint that is safe.
        children: How children ended that an earlier attempt started, by their keys: what they
            returned or raised. Others that it starts are queued.
        pause_after: Pause the run instead, likewise; only a handler that is `pausable`.

    Raises:
        ParametersInvalid: as a submission would be refused.
        TypeError: the result, a message's parameters or the memory are no JSON.
        NotPausable: it was to be paused, and its handler says that it cannot.
    """
    if pause_after is not None and not handler.pausable:
        raise exceptions.NotPausable(handler.task_type)
    given = handler.stored(handler.validated(parameters or {}))
    channel = _Channel(
        cancel_after=cancel_after,
        stop_after=stop_after,
        pause_after=pause_after,
        ended=children or {},
    )
    context = TaskContext(
        channel,
        run_id=run_id or uuid4(),
        task_id=uuid4(),
        account_id=account_id or uuid4(),
        user_id=user.pk if user else None,
        attempt=attempt,
        memory=memory,
    )
    performed = Performed(messages=channel.said, children=channel.started)
    try:
        outcome = handler().perform(context, handler.loaded(_through_json(given))) or Outcome()
    except TaskFailed as failure:
        performed.state = State.FAILED
        performed.error, performed.temporary = str(failure), failure.temporary
    except Cancelled:
        performed.state = State.CANCELLED
    except Paused:
        performed.state = State.PAUSED
    except Waiting:
        performed.state = State.WAITING
    except Interrupted:
        performed.state = State.QUEUED
    else:
        _end_well(performed, outcome)
    performed.progress = context.latest
    performed.memory = context.memory
    return performed


def perform_together(
    handler: type[TaskHandler],
    works: Sequence[dict[str, Any]],
    *,
    user: User | None = None,
    account_id: UUID | None = None,
    run_ids: Sequence[UUID] = (),
) -> list[Performed | None]:
    """
    Let a handler do the first attempts of several runs at once.

    Args:
        handler: The class.
        works: The parameters of each run, as a caller sends them.
        user: Whose tasks they are.
        account_id: Their account; a made-up one by default.
        run_ids: Of the runs; made-up ones by default.

    Returns:
        What became of each; None for one that is to be performed alone.

    Raises:
        ParametersInvalid, TypeError: as `perform`.
    """
    account_id = account_id or uuid4()
    given = []
    for number, parameters in enumerate(works):
        context = TaskContext(
            _Channel(cancel_after=None, stop_after=None, pause_after=None, ended={}),
            run_id=run_ids[number] if run_ids else uuid4(),
            task_id=uuid4(),
            account_id=account_id,
            user_id=user.pk if user else None,
            attempt=1,
        )
        stored = handler.stored(handler.validated(parameters))
        given.append((context, handler.loaded(_through_json(stored))))
    outcomes = handler.perform_together(given)
    done: list[Performed | None] = []
    for context, _ in given:
        if context.run_id not in outcomes:
            done.append(None)
            continue
        performed = Performed(progress=context.latest, memory=context.memory)
        _end_well(performed, outcomes[context.run_id] or Outcome())
        done.append(performed)
    return done


def _end_well(performed: Performed, outcome: Outcome) -> None:
    performed.state = State.WARNED if outcome.warnings else State.SUCCEEDED
    performed.result = _through_json(dict(outcome.result))
    performed.warnings = list(outcome.warnings)


class _Channel:
    """Plays the engine: keeps what is said, and interrupts at the checkpoint that was ordered."""

    def __init__(
        self,
        *,
        cancel_after: int | None,
        stop_after: int | None,
        pause_after: int | None,
        ended: Mapping[str, Outcome | TaskFailed],
    ) -> None:
        self.said: list[Said] = []
        self.started: list[Started] = []
        self._ended = {key: _child(key, end) for key, end in ended.items()}
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

    def commit_with_end(self) -> None:
        """Do nothing: there is no end to wait for."""

    def start_child(
        self,
        task_type: str,
        parameters: dict[str, Any],
        *,
        key: str,
        title: str,
        labels: Mapping[str, str] | None,
    ) -> UUID:
        """Refuse what a submission would refuse, and write the child down, once per key."""
        handler = registry.get(task_type)
        if key in self._ended:
            self._ended[key] = replace(self._ended[key], task_type=handler.task_type)
        known = {child.key: child.run_id for child in self.children()}
        if key not in known:
            validated = handler.validated(_through_json(parameters))
            handler.stored(validated)
            self.started.append(
                Started(
                    key, handler.task_type, parameters, title, dict(labels or {}), run_id=uuid4()
                )
            )
            return self.started[-1].run_id
        return known[key]

    def children(self) -> list[Child]:
        """Return the children that ended as the test says, then those of this attempt."""
        queued = [
            Child(child.key, child.run_id, child.task_type, State.QUEUED) for child in self.started
        ]
        return [*self._ended.values(), *queued]


def _child(key: str, end: Outcome | TaskFailed) -> Child:
    """Return a child that ended so."""
    if isinstance(end, TaskFailed):
        return Child(key, uuid4(), "", State.FAILED, error=str(end))
    state = State.WARNED if end.warnings else State.SUCCEEDED
    return Child(key, uuid4(), "", state, _through_json(dict(end.result)))


def _through_json(value: dict[str, Any]) -> dict[str, Any]:
    """Return what comes back when the value is stored as JSON."""
    back: dict[str, Any] = json.loads(json.dumps(value))
    return back
