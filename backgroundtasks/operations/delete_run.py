"""Delete a finished run before its time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from backgroundtasks import exceptions, queries
from backgroundtasks.lifecycle import flushing
from backgroundtasks.operations.cancel import require_control
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from backgroundtasks.handlers import Actor

logger = logging.getLogger(__name__)


def delete_run(actor: Actor, run_id: UUID) -> None:
    """
    Delete a finished run with its messages; its task goes with its last run and schedule.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may delete a run of it.
        RunConflict: it, or the run that started it, has not finished.
    """
    run = queries.get_run(actor, run_id)
    require_control(actor, run.task_type, "delete it")
    if run.state not in FINAL:
        raise exceptions.RunConflict(f"The run is {run.state}: cancel it first.")
    if run.parent is not None and run.parent.state not in FINAL:
        raise exceptions.RunConflict("The run that started it has not finished, and needs it.")
    if not flushing.drop_run(run_id, run.task_id):
        raise exceptions.RunNotFound(run_id)
    logger.info(
        "run.deleted run_id=%s type=%s by=%s", run_id, run.task_type, actor.user.get_username()
    )
