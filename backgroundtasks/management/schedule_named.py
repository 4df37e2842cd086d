"""Schedules as an operator names them in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from backgroundtasks import exceptions, queries
from backgroundtasks.management.operator_command import ORIGIN, operator

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor


def addressed(spelling: str) -> tuple[Actor, UUID]:
    """
    Return who acts, in the schedule's account, and the id of the schedule's task.

    Raises:
        ScheduleNotFound: there is none of this id.
    """
    try:
        task_id = UUID(spelling)
    except ValueError:
        raise exceptions.ScheduleNotFound(spelling) from None
    return queries.operator_on_schedule(operator(), task_id, origin=ORIGIN), task_id
