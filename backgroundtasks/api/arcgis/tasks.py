"""`/system/tasks`: the scheduled tasks of the installation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks import queries
from backgroundtasks.api.arcgis import paging
from backgroundtasks.api.arcgis.access import DEFAULT_ADMINISTRATOR
from backgroundtasks.api.arcgis.errors import not_found
from backgroundtasks.api.arcgis.resource import Body, Call, Link, Resource
from backgroundtasks.api.arcgis.vocabulary import task_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backgroundtasks.models import Schedule

_ID: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)


def _list(call: Call) -> Body:
    return paging.envelope(queries.visible_schedules(call.actor), call.given, _bodies)


def _bodies(schedules: list[Schedule]) -> list[Body]:
    return [task_body(schedule) for schedule in schedules]


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            one["taskTitle"],
            f"{call.path}/{one['id']}",
            f"{one['taskType']}, {one['taskState']}, {one['cronExpression']}",
        )
        for one in body["result"]
    ]


def _show(call: Call) -> Body:
    return task_body(queries.get_schedule(call.actor, identity(call, "task_id")))


def _title(call: Call, body: Body) -> str:
    return str(body["taskTitle"])


def identity(call: Call, name: str) -> UUID:
    """
    Return an id of the path.

    Raises:
        Problem: it is none.
    """
    text: Any = call.parts[name]
    if not _ID.fullmatch(text):
        raise not_found()
    return UUID(text)


TASKS: Final = Resource(
    "system/tasks",
    DEFAULT_ADMINISTRATOR,
    _list,
    links=_listed,
    listed=("result",),
    fields=paging.FIELDS,
    text="The scheduled tasks of this installation.",
)
TASK: Final = Resource("system/tasks/<str:task_id>", DEFAULT_ADMINISTRATOR, _show, title=_title)
