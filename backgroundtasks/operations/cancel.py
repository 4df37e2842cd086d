"""Stop a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks import conf, exceptions, queries
from backgroundtasks.handlers import permissions, registry
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State

if TYPE_CHECKING:
    from uuid import UUID

    from backgroundtasks.handlers import Actor


def cancel(actor: Actor, run_id: UUID) -> State:
    """
    Cancel a run: at once when it waits, at its next checkpoint when it runs.

    Returns:
        `cancelled`, or `cancelling` when a worker holds it. If the handler ends before it
        looks, its end wins, and the run's state says so.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may stop a run of it.
        TransitionRefused: it has finished.
    """
    run = queries.get_run(actor, run_id)
    require_control(actor, run.task_type, "cancel it")
    handler = registry.find(run.task_type)
    reason = f"Cancelled by {actor.user.get_username()}."
    retention = handler.retention_of() if handler else conf.RETENTION
    found = TaskStatus.objects.filter(pk=run_id)
    # It may be claimed between the two; then the second one meets it. It may also go back
    # to the queue meanwhile, so the pair is tried twice.
    for _ in range(2):
        if arrows.cancel_unheld(found, reason=reason, retention=retention):
            return State.CANCELLED
        if arrows.request_cancel(found):
            arrows.note(
                run_id,
                level="info",
                key="run.cancel_requested",
                text=f"{actor.user.get_username()} asked to cancel.",
            )
            return State.CANCELLING
    state = queries.get_run(actor, run_id).state
    if state == State.CANCELLING:
        return State.CANCELLING
    raise exceptions.TransitionRefused(run_id, state, State.CANCELLED)


def require_control(actor: Actor, task_type: str, what: str) -> None:
    """
    Refuse unless the actor may control runs of this type: who may start it, or an operator.

    Raises:
        PermissionRefused: also when the handler is gone and the actor is no operator.
    """
    if actor.is_operator:
        return
    handler = registry.find(task_type)
    permissions.require(handler.permissions if handler else (), actor, what)
