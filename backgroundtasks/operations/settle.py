"""Say how a run ends, instead of its handler."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backgroundtasks import exceptions, queries
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import TaskStatus
from backgroundtasks.operations.cancel import (
    cancel_children,
    despite_deadlocks,
    request_cancel,
    require_control,
    retention_of,
)
from backgroundtasks.states import FINAL, GOOD, HELD, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from backgroundtasks.handlers import Actor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a run shall end."""

    #: `succeeded`, `warned`, `failed` or `cancelled`.
    state: State
    #: Why it did not end well, for people; who settled it by default.
    error: str = ""
    #: Of a failure: it may pass by itself.
    temporary: bool = False
    #: Aware; now by default. The retention counts from now all the same.
    finished_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a state that nobody can decree."""
        if self.state not in _DECREED:
            raise ValueError(f"A run cannot be settled as {self.state}.")


_DECREED = frozenset({State.SUCCEEDED, State.WARNED, State.FAILED, State.CANCELLED})


def settle(
    actor: Actor, run_id: UUID, decide: Callable[[TaskStatus], Settlement | None]
) -> TaskStatus:
    """
    End a run as its caller decides; a worker that holds it loses it, its children are cancelled.

    A held run that is settled as cancelled is only asked to stop, as `cancel` does.

    Args:
        actor: Who decides.
        run_id: The run.
        decide: Gets the run, locked, with its task and owner, and returns how it ends; None:
            nothing changes. What it raises comes through, and nothing has changed. It may be
            called again after a deadlock.

    Returns:
        The run as it is now.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may settle a run of it.
        TransitionRefused: it has finished, and `decide` wanted a change.
    """
    return despite_deadlocks(lambda: _settle(actor, run_id, decide))


def _settle(
    actor: Actor, run_id: UUID, decide: Callable[[TaskStatus], Settlement | None]
) -> TaskStatus:
    run = queries.get_run_locked(actor, run_id)
    require_control(actor, run.task_type, "settle it")
    settlement = decide(run)
    if settlement is None:
        return run
    if run.state in FINAL:
        raise exceptions.TransitionRefused(run_id, run.state, settlement.state)
    by = actor.user.get_username()
    if settlement.state == State.CANCELLED and run.state in HELD:
        request_cancel(TaskStatus.objects.filter(pk=run_id), by=by)
    else:
        _end(run, settlement, by=by)
    cancel_children(run_id, by=by)
    return queries.get_run(actor, run_id)


def _end(run: TaskStatus, settlement: Settlement, *, by: str) -> None:
    to = settlement.state
    error = "" if to in GOOD else settlement.error or f"Set to {to} by {by}."
    moved = arrows.settle(
        run.pk,
        to,
        error=error,
        temporary=settlement.temporary and to == State.FAILED,
        finished_at=settlement.finished_at,
        retention=retention_of(run.task_type),
    )
    if not moved:  # not on a database that locks the row; the caller may try again
        raise exceptions.TransitionRefused(run.pk, run.state, to)
    arrows.note(run.pk, level="info", key="run.settled", text=f"{by} set it to {to}.")
    logger.warning(
        "run.settled run_id=%s type=%s attempt=%s from=%s to=%s by=%s",
        run.pk,
        run.task_type,
        run.attempt,
        run.state,
        to,
        by,
    )
