"""Note something about a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks import exceptions, queries
from backgroundtasks.lifecycle import arrows
from backgroundtasks.operations.cancel import require_control
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from backgroundtasks.handlers import Actor


def remark(actor: Actor, run_id: UUID, text: str) -> None:
    """
    Note a text about a finished run, for people; how it ended stays as it is.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may do this to a run of it.
        RunConflict: it has not finished.
    """
    run = queries.get_run(actor, run_id)
    require_control(actor, run.task_type, "note something about it")
    if run.state not in FINAL:
        raise exceptions.RunConflict(f"The run is {run.state}: it has no result yet.")
    if not arrows.remark(run_id, text):
        raise exceptions.RunNotFound(run_id)
