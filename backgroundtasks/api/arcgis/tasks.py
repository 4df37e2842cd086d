"""`/system/tasks`: the scheduled tasks of the installation, and what can be done with them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks import conf, operations, queries
from backgroundtasks.api.arcgis import paging, values
from backgroundtasks.api.arcgis.access import DEFAULT_ADMINISTRATOR
from backgroundtasks.api.arcgis.errors import invalid, not_found
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.arcgis.resource import Body, Call, Done, Link, Operation, Resource, facts
from backgroundtasks.api.arcgis.timing import timing
from backgroundtasks.api.arcgis.vocabulary import (
    CRON_FIELDS,
    UNLIMITED,
    single_task_body,
    task_body,
    type_constant,
)
from backgroundtasks.exceptions import ScheduleNotFound
from backgroundtasks.handlers import registry, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from backgroundtasks.api.arcgis.parameters import Given
    from backgroundtasks.models import Schedule

#: What the vendor's users find in the list of types, before all others.
_VENDORS: Final = ("CreateBackup", "CreateHealthCheckReports")
_LONGEST_TITLE: Final = 200
_ID: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_TRUTH: Final = {"true": True, "false": False}
#: What the form of a new task shows in `parameters`.
_EXAMPLE: Final = {
    "name": "nightly",
    "storeName": "default",
    "retentionOffset": 604_800_000,
    "metaData": {
        "recurring": True,
        "startTime": "02:00",
        "retention": {"type": "day", "value": 7},
    },
}

_TITLE: Final = Field("title", "Title")
_PARAMETERS: Final = Field(
    "parameters", "Parameters", "textarea", help="A JSON object; what it takes depends on the type."
)
_PASSCODE: Final = Field(
    "passcode",
    "Passcode",
    "password",
    help="Of a backup, in place of one in the parameters: at least 8 characters.",
    extension=True,
)
_CRON: Final = tuple(
    Field(name, label, required=True, help=text, value=value, group="When it runs, in UTC")
    for name, label, text, value in (
        ("minute", "Minute", "0 to 59, with , - * /", "0"),
        ("hour", "Hour", "0 to 23 (UTC), with , - * /", "2"),
        ("dayOfMonth", "Day of month", "1 to 31, with , - * ? / L W", "*"),
        ("month", "Month", "1 to 12, with , - * /", "*"),
        ("dayOfWeek", "Day of week", "1 (Sunday) to 7 (Saturday), with , - * ? / L #", "?"),
    )
)
_UTC: Final = "UTC; or milliseconds since 1970."
_SPAN: Final = "From when, until when, how often"
_DATES: Final = (
    Field("startDate", "Start date", "datetime", help=_UTC, group=_SPAN),
    Field("endDate", "End date", "datetime", help=_UTC, group=_SPAN),
)
_OCCURRENCES: Final = Field(
    "maxOccurrences",
    "Occurrences",
    "number",
    help="-1: no limit.",
    value=str(UNLIMITED),
    group=_SPAN,
)
_OF_CREATE: Final = (
    Field("type", "Type", required=True, help="A task type, or the vendor's constant for it."),
    _TITLE,
    replace(_PARAMETERS, required=True),
    _PASSCODE,
    *_CRON,
    *_DATES,
    _OCCURRENCES,
)
_OF_UPDATE: Final = (
    _TITLE,
    _PARAMETERS,
    _PASSCODE,
    *(replace(field, required=False, value="") for field in _CRON),
    *_DATES,
    _OCCURRENCES,
)


# --- reading -------------------------------------------------------------------------------------


def _list(call: Call) -> Body:
    return paging.envelope(queries.visible_schedules(call.actor), call.given, _bodies)


def _bodies(schedules: list[Schedule]) -> list[Body]:
    return [task_body(schedule) for schedule in schedules]


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            one["taskTitle"],
            f"{call.path}/{one['id']}",
            facts=facts(one, "taskType", "taskState", "cronDescription", "lastStart", "nextStart"),
        )
        for one in body["result"]
    ]


def show(call: Call) -> Body:
    """
    Return the task of the path: a scheduled one, or one that was started once.

    Raises:
        Problem: it is unknown, deleted or invisible.
    """
    return task_at(call)(None)


def task_at(call: Call) -> Callable[[datetime | None], Body]:
    """
    Return a function that shows the task of the path as it was at a moment; None: as it is.

    Raises:
        Problem: it is unknown, deleted or invisible.
    """
    task_id = identity(call, "task_id")
    try:
        schedule = queries.get_schedule(call.actor, task_id)
    except ScheduleNotFound:
        single = _single(call, task_id)
        return lambda _at: single
    now = task_body(schedule)
    earlier = [(until, task_body(was)) for until, was in queries.editions_of(schedule)]
    return lambda at: next((was for until, was in earlier if at is not None and at < until), now)


def _single(call: Call, task_id: UUID) -> Body:
    task = queries.find_tasks(call.actor, task_id).select_related("owner").first()
    # What is left of a deleted one are its runs, until they are flushed.
    if task is None or task.pk != task_id or task.origin == operations.SCHEDULE:
        raise not_found() from None
    return single_task_body(task)


def _title(call: Call, body: Body) -> str:
    return str(body["taskTitle"])


def identity(call: Call, name: str) -> UUID:
    """
    Return an id of the path.

    Raises:
        Problem: it is none.
    """
    text = call.parts[name]
    if not _ID.fullmatch(text):
        raise not_found()
    return UUID(text)


def _schedule(call: Call) -> Schedule:
    return queries.get_schedule(call.actor, identity(call, "task_id"))


# --- operations ----------------------------------------------------------------------------------


def _create(call: Call) -> Done:
    given = call.given
    task_type = _type(given.word("type"))
    if task_type in conf.SYSTEM_TASKS:
        raise invalid(f"type: there is one {task_type}, the installation's own: edit that.")
    schedule = operations.create_schedule(
        call.actor,
        task_type,
        _parameters(call) or {},
        operations.Timing(**timing(given)),
        title=_new_title(call) or "",
    )
    return _done(schedule.pk.hex, f"{call.path}/{schedule.pk.hex}")


def _update(call: Call) -> Done:
    schedule = _schedule(call)
    given = call.given
    if given.word("type") and _type(given.word("type")) != schedule.task.task_type:
        raise invalid(f"type: the task is a {schedule.task.task_type}, and stays one.")
    active = given.word("isActive").lower()
    if active and active not in _TRUTH:
        raise invalid("isActive: true or false.")
    operations.edit_schedule(
        call.actor,
        schedule.pk,
        title=_new_title(call),
        parameters=_parameters(call),
        merge=True,
        active=_TRUTH.get(active),
        # Of the cron fields one may be sent: the others are those of that moment.
        retime=partial(_other_times, given),
    )
    return _done(schedule.pk.hex, call.path)


def _other_times(given: Given, schedule: Schedule) -> dict[str, Any]:
    """Return the times that differ: a form sends all of them, and the same are no wish to begin anew."""
    times = timing(given, schedule)
    return {name: value for name, value in times.items() if getattr(schedule, name) != value}


def _enable(call: Call) -> Done:
    schedule = operations.resume_schedule(call.actor, identity(call, "task_id"))
    return _done(schedule.pk.hex, call.path)


def _disable(call: Call) -> Done:
    schedule = operations.pause_schedule(call.actor, identity(call, "task_id"))
    return _done(schedule.pk.hex, call.path)


def _delete(call: Call) -> Done:
    task_id = identity(call, "task_id")
    operations.delete_schedule(call.actor, task_id)
    return _done(task_id.hex, TASKS.path)


def _run_now(call: Call) -> Done:
    task_id = identity(call, "task_id")
    run_id = operations.run_schedule_now(call.actor, task_id).run_id
    done = _done(task_id.hex, f"{call.path}/runs/{run_id.hex}")
    done.body["runId"] = run_id.hex
    return done


def _done(task_id: str, then: str) -> Done:
    """Return what every class of the vendor's clients takes for a success."""
    return Done({"status": "success", "success": True, "taskId": task_id, "id": task_id}, then)


# --- what is sent --------------------------------------------------------------------------------


def _type(sent: str) -> str:
    """Return the task type that a word means: its name, or the vendor's constant."""
    if not sent:
        raise invalid("type: required.")
    for handler in registry.all_handlers():
        if sent.lower() in {handler.task_type.lower(), type_constant(handler.task_type).lower()}:
            return handler.task_type
    raise invalid(f"type: there is no task type {sent[:100]!r}.")


def _new_title(call: Call) -> str | None:
    title = call.given.text("title")
    if title is not None and len(title) > _LONGEST_TITLE:
        raise invalid(f"title: {_LONGEST_TITLE} characters at most.")
    return title


def _parameters(call: Call) -> dict[str, Any] | None:
    """Return the task's parameters; None when none were sent."""
    passcode = call.given.text("passcode")
    found: dict[str, Any] | None = None
    if call.given.word("parameters"):
        found = values.json_object(call.given, "parameters")
        # Clients send it back as they have read it; no task of ours has an item.
        found.pop("itemId", None)
    if passcode:
        found = {**(found or {}), "passcode": passcode}
    return found


# --- forms ---------------------------------------------------------------------------------------


def _creatable(call: Call) -> list[str]:
    """Return the types that the caller may make tasks of, the vendor's first."""
    known = [one.handler.task_type for one in queries.list_task_types(call.actor) if not one.lack]
    others = sorted({*known} - {*_VENDORS, *conf.SYSTEM_TASKS})
    return [*(name for name in _VENDORS if name in known), *others]


def _fields_of_create(call: Call) -> Sequence[Field]:
    types = tuple((name, name) for name in _creatable(call))
    kind, title, parameters, *others = _OF_CREATE
    return (
        replace(kind, widget="select", choices=types),
        title,
        parameters.showing(_json(_EXAMPLE)),
        *others,
    )


def _fields_of_update(call: Call) -> Sequence[Field]:
    schedule = _schedule(call)
    shown = task_body(schedule)
    showing: dict[str, Any] = {
        "title": schedule.task.title,
        "parameters": _json(secrets.mask(schedule.task.parameters)),
        **shown["cronSchedule"],
        "startDate": _as_typed(schedule.starts_at),
        "endDate": _as_typed(schedule.ends_at),
        "maxOccurrences": shown["maxOccurrences"],
    }
    has_passcode = _PASSCODE.name in schedule.task.parameters
    return [
        field.showing(showing.get(field.name))
        for field in _OF_UPDATE
        if field is not _PASSCODE or has_passcode
    ]


def _as_typed(at: datetime | None) -> str | None:
    """Return a time as browsers write it into a field."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


TASKS: Final = Resource(
    "system/tasks",
    DEFAULT_ADMINISTRATOR,
    _list,
    links=_listed,
    listed=("result",),
    fields=paging.FIELDS,
    text="The scheduled tasks of this installation. Times are UTC.",
    operations=(
        Operation(
            "createTask",
            "Create Task",
            _create,
            _fields_of_create,
            "Have a task run again and again.",
            takes=_OF_CREATE,
        ),
    ),
)
TASK: Final = Resource(
    "system/tasks/<str:task_id>",
    DEFAULT_ADMINISTRATOR,
    show,
    title=_title,
    operations=(
        Operation(
            "update",
            "Edit Task",
            _update,
            _fields_of_update,
            "Change the task from its next time on. A passcode that is left as ******** stays.",
            takes=_OF_UPDATE,
        ),
        Operation("enable", "Enable Task", _enable, text="Let a paused task run again."),
        Operation("disable", "Disable Task", _disable, text="Stop upcoming runs."),
        Operation(
            "runNow", "Run Task", _run_now, text="Run it now, beside its times.", extension=True
        ),
        Operation(
            "delete",
            "Delete Task",
            _delete,
            text="Delete the task and all of its runs.",
            destructive=True,
        ),
    ),
)
assert len(_CRON) == len(CRON_FIELDS)  # noqa: S101 - one field each
