"""Stop a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import OperationalError, connection, transaction

from backgroundtasks import conf, exceptions, queries
from backgroundtasks.handlers import permissions, registry
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from uuid import UUID

    from django.db.models import QuerySet

    from backgroundtasks.handlers import Actor

_T = TypeVar("_T")

#: PostgreSQL's code of "these two waited for each other, and this one was sent away".
_DEADLOCK = "40P01"
_TRIES = 3
_UNFINISHED = [state.value for state in State if state not in FINAL]


def cancel(actor: Actor, run_id: UUID) -> State:
    """
    Cancel a run and its children: at once when it waits, at its next checkpoint when it runs.

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
    return despite_deadlocks(lambda: _cancel(actor, run))


def _cancel(actor: Actor, run: TaskStatus) -> State:
    by = actor.user.get_username()
    this = TaskStatus.objects.filter(pk=run.pk)
    # It may be claimed between the two; then the second one meets it. It may also go back
    # to the queue meanwhile, so the pair is tried twice.
    for _ in range(2):
        if arrows.cancel_unheld(
            this, reason=f"Cancelled by {by}.", retention=retention_of(run.task_type)
        ):
            cancel_children(run.pk, by=by)
            return State.CANCELLED
        if request_cancel(this, by=by):
            cancel_children(run.pk, by=by)
            return State.CANCELLING
    state = queries.get_run(actor, run.pk).state
    if state == State.CANCELLING:
        return State.CANCELLING
    raise exceptions.TransitionRefused(run.pk, state, State.CANCELLED)


def request_cancel(runs: QuerySet[TaskStatus], *, by: str) -> int:
    """Ask the workers that hold runs to stop them, and note who asked; return how many."""
    held = list(runs.filter(state__in=[State.RUNNING, State.PAUSING]).values_list("pk", flat=True))
    asked = 0
    for run_id in held:
        if arrows.request_cancel(TaskStatus.objects.filter(pk=run_id)):
            asked += 1
            arrows.note(
                run_id, level="info", key="run.cancel_requested", text=f"{by} asked to cancel."
            )
    return asked


def cancel_children(run_id: UUID, *, by: str) -> None:
    """
    Cancel whatever is unfinished below a run, within the caller's transaction.

    The run itself was cancelled or ended before: from then on it starts no child.
    """
    level = [run_id]
    while level:
        children = TaskStatus.objects.filter(parent_id__in=level)
        unfinished = children.filter(state__in=_UNFINISHED)
        for task_type in set(unfinished.values_list("task_type", flat=True)):
            of_type = unfinished.filter(task_type=task_type)
            # Twice, as above.
            for _ in range(2):
                arrows.cancel_unheld(
                    of_type,
                    reason=f"Cancelled with the run that started it, by {by}.",
                    retention=retention_of(task_type),
                )
                request_cancel(of_type, by=by)
        # A child that has ended may have left unfinished ones.
        below = TaskStatus.objects.filter(parent_id__in=children.values("pk"))
        level = list(set(below.values_list("parent_id", flat=True)))


def despite_deadlocks(do: Callable[[], _T]) -> _T:
    """
    Do it in a transaction, and again when PostgreSQL sent it away for a deadlock.

    A family is locked from above, a batch of finishes in its own order; who is sent away
    changed nothing.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return do()
        except OperationalError as error:
            again = getattr(error.__cause__, "sqlstate", None) == _DEADLOCK
            if not again or not tries_left or connection.in_atomic_block:
                raise
    raise AssertionError


def retention_of(task_type: str) -> timedelta:
    """Return how long finished runs of a type are kept, also of one whose handler is gone."""
    handler = registry.find(task_type)
    retention: timedelta = handler.retention_of() if handler else conf.RETENTION
    return retention


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
