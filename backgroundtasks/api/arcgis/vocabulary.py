"""Tasks and runs in ArcGIS' words: schedules as its system tasks, with every documented member."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks import clock, cron
from backgroundtasks.cron import CronInvalid
from backgroundtasks.cron_words import in_words
from backgroundtasks.handlers import secrets
from backgroundtasks.models import ScheduleState
from backgroundtasks.states import GOOD, State

if TYPE_CHECKING:
    from backgroundtasks.models import Schedule, Task, TaskStatus

SCHEDULED: Final = "scheduled"
EXECUTING: Final = "executing"
SUCCEEDED: Final = "succeeded"
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
SUBMIT_FAILED: Final = "submitfailed"

#: Which word a state of a run has. A run that could not be submitted is none of ours.
RUN_STATUS: Final[dict[State, str]] = {
    State.SCHEDULED: SCHEDULED,
    State.QUEUED: SCHEDULED,
    State.RUNNING: EXECUTING,
    State.WAITING: EXECUTING,
    State.PAUSING: EXECUTING,
    State.PAUSED: EXECUTING,
    State.CANCELLING: EXECUTING,
    State.SUCCEEDED: SUCCEEDED,
    State.WARNED: SUCCEEDED,
    State.FAILED: FAILED,
    State.CANCELLED: FAILED,
    State.SKIPPED: SKIPPED,
    State.LOST: FAILED,
}

#: A broken schedule does not fire either; its `problem` says so.
TASK_STATE: Final = {
    ScheduleState.ACTIVE: "active",
    ScheduleState.PAUSED: "paused",
    ScheduleState.COMPLETED: "completed",
    ScheduleState.BROKEN: "paused",
}

#: The vendor's constants; of other types they are made in the same manner.
TYPE_CONSTANTS: Final = {
    "CleanGPJobs": "GP_JOBS_CLEANER_TASK_TYPE",
    "BackupRetentionCleaner": "BACKUP_RETENTION_TASK_TYPE",
    "CreateBackup": "CREATE_BACKUP_TASK_TYPE",
}
#: Task types that work against an item; the vendor's others have none.
_WITHOUT_ITEM: Final = "CreateBackup"
#: Names of these are keys and task types. Clients keep what comes out.
_OWNERS: Final = UUID("1b7f4b0e-6a35-4f0c-8a4e-55f0a1c6d2b7")
_ITEMS: Final = UUID("8d0e2c1a-9f53-4d7e-b6a1-0c4f3e7a2d95")

#: Who owns what nobody owns.
SYSTEM: Final = "system"
#: Of `cronSchedule`, in the order of an expression, behind the seconds.
CRON_FIELDS: Final = ("minute", "hour", "dayOfMonth", "month", "dayOfWeek")
UNLIMITED: Final = -1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def type_constant(task_type: str) -> str:
    """Return what `type` says of a task type: `CREATE_BACKUP_TASK_TYPE`."""
    made = "_".join([*_WORDS.findall(task_type), "TASK_TYPE"]).upper()
    return TYPE_CONSTANTS.get(task_type, made)


@lru_cache(maxsize=10_000)
def owner_id(key: Any) -> str:
    """Return the id of the user with this primary key; None: the installation itself."""
    return uuid.uuid5(_OWNERS, str(key)).hex


def organization_id(account: UUID) -> str:
    """Return the id of an account's organization: 16 characters."""
    return account.hex[:16].upper()


@lru_cache(maxsize=1000)
def item_id(task_type: str) -> str:
    """Return the item that tasks of a type run against: we have none, so one for each type."""
    return str(uuid.uuid5(_ITEMS, task_type))


def milliseconds(at: datetime) -> int:
    """Return a time in milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def task_body(schedule: Schedule) -> dict[str, Any]:
    """Return a task that was read with its owner; secrets are masked."""
    task = schedule.task
    state = TASK_STATE[ScheduleState(schedule.state)]
    body = {
        **_named(task),
        "taskState": state,
        "active": state == TASK_STATE[ScheduleState.ACTIVE],
        "cronSchedule": cron_fields(schedule.expression),
        "cronExpression": schedule.expression,
        "cronDescription": in_words(schedule.expression),
        "runIntervalSeconds": interval(schedule.expression),
        "maxOccurrences": UNLIMITED if schedule.max_runs is None else schedule.max_runs,
        "generation": schedule.generation,
        "created": milliseconds(schedule.created_at),
        "updated": milliseconds(schedule.updated_at),
    }
    times = {
        "startDate": schedule.starts_at,
        "endDate": schedule.ends_at,
        "lastStart": schedule.last_at,
        "nextStart": schedule.next_at,
    }
    body |= {name: milliseconds(at) for name, at in times.items() if at is not None}
    if schedule.problem:
        body["problem"] = schedule.problem
    return {**body, **_belonging(task)}


def single_task_body(task: Task) -> dict[str, Any]:
    """Return a task that was started once and has no schedule."""
    created = milliseconds(task.created_at)
    return {
        **_named(task),
        "taskState": TASK_STATE[ScheduleState.COMPLETED],
        "active": False,
        "maxOccurrences": 1,
        "generation": 1,
        "created": created,
        "updated": created,
        **_belonging(task),
    }


def run_body(run: TaskStatus, task: dict[str, Any]) -> dict[str, Any]:
    """Return a run, with its task as that is shown."""
    body: dict[str, Any] = {
        "runId": run.pk.hex,
        "id": run.pk.hex,
        "taskId": run.task_id.hex,
        "status": RUN_STATUS[State(run.state)],
        "result": result_text(run),
        "url": "",
        "created": milliseconds(run.queued_at),
        "modified": milliseconds(run.modified_at),
        "percentComplete": percent_complete(run),
    }
    for name, at in (("started", run.started_at), ("finished", run.finished_at)):
        if at is not None:
            body[name] = milliseconds(at)
    body["task"] = task
    return body


def result_text(run: TaskStatus) -> str:
    """Return what a run says of itself: what somebody noted, why it failed, or what it has done."""
    if run.remark is not None:
        return str(run.remark)
    if run.error:
        return str(run.error)
    warnings = (run.result or {}).get("warnings") or []
    return "\n".join([*filter(None, [run.text]), *map(str, warnings)])


def percent_complete(run: TaskStatus) -> int:
    """Return progress as a whole number of 0 to 100; 100 only when it has ended well."""
    if run.state in GOOD:
        return 100
    return min(run.processed * 100 // run.total, 99) if run.total > 0 else 0


def cron_fields(expression: str) -> dict[str, str]:
    """Return an expression's fields by their names, without seconds and year."""
    return dict(zip(CRON_FIELDS, expression.split()[1:6], strict=False))


def interval(expression: str) -> int:
    """Return the seconds between the next two times of an expression; 0 when there are no two."""
    try:
        times = cron.parse(expression)
    except CronInvalid:
        return 0
    first = times.next_after(clock.now())
    second = None if first is None else times.next_after(first)
    return 0 if first is None or second is None else int((second - first).total_seconds())


def _named(task: Task) -> dict[str, Any]:
    """Return what a task is called."""
    title = task.title or task.task_type
    return {
        "id": task.pk.hex,
        "taskId": task.pk.hex,
        "taskTitle": title,
        "title": title,
        "taskType": task.task_type,
        "type": type_constant(task.task_type),
    }


def _belonging(task: Task) -> dict[str, Any]:
    """Return what a task works with, and whose it is."""
    body: dict[str, Any] = {
        "owner": task.owner.get_username() if task.owner else SYSTEM,
        "ownerId": owner_id(task.owner_id),
        "orgId": organization_id(task.account_id),
    }
    if task.task_type != _WITHOUT_ITEM:
        body["itemId"] = item_id(task.task_type)
    if task.parameters:
        body["parameters"] = {"itemId": "", **secrets.mask(task.parameters)}
    return body
