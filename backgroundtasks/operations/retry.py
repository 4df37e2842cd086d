"""Do a finished task once more."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import transaction

from backgroundtasks import clock, exceptions, queries
from backgroundtasks.handlers import registry
from backgroundtasks.lifecycle import arrows, rows
from backgroundtasks.operations.cancel import require_control
from backgroundtasks.operations.submit import (
    Idempotency,
    Submission,
    find_known,
    hold_task,
    store_run,
)
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from uuid import UUID

    from backgroundtasks.handlers import Actor


def retry(actor: Actor, run_id: UUID, *, idempotency: Idempotency | None = None) -> Submission:
    """
    Start a new run of a finished run's task; the old one stays as it is.

    Args:
        actor: Who asks.
        run_id: The finished run.
        idempotency: Answer a repetition with the run that the first retry made.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        TaskTypeUnknown: its handler is gone.
        PermissionRefused: only who may start the type may retry a run of it.
        TransitionRefused: it has not finished.
        IdempotencyConflict, ExclusiveRunExists: as for a submission.
    """
    old = queries.get_run(actor, run_id)
    handler = registry.get(old.task_type)
    require_control(actor, old.task_type, "retry it")
    if idempotency is not None:
        known = find_known(actor, idempotency)
        if known is not None:
            return known
    if old.state not in FINAL:
        raise exceptions.TransitionRefused(run_id, old.state, State.QUEUED)
    now = clock.now()
    new = rows.NewRun(
        id=uuid.uuid4(),
        task_id=old.task_id,
        account_id=old.account_id,
        owner_id=old.owner_id,
        task_type=handler.task_type,
        origin=actor.origin,
        queue=handler.queue,
        priority=old.priority,
        position=clock.position(),
        run_after=now,
        queued_at=now,
        scheduled=False,
        batchable=handler.short and old.exclusive_key is None,
        exclusive_key=old.exclusive_key,
        retry_of_id=old.pk,
        labels=old.task.labels,
        resource=old.task.resource,
    )
    with transaction.atomic():
        if not hold_task(old.task_id):
            raise exceptions.RunNotFound(run_id)
        submission = store_run(actor, handler, new, idempotency, with_task=False)
    if not submission.created:
        return submission
    arrows.note(
        old.pk,
        level="info",
        key="run.retried",
        text=f"{actor.user.get_username()} retried it as {new.id}.",
        run=str(new.id),
    )
    return submission
