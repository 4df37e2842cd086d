"""`/jobs`: the runs of installation-wide tasks, in the words of ArcGIS' jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks import queries
from backgroundtasks.api.arcgis import paging
from backgroundtasks.api.arcgis.access import SECURITY_AND_INFRASTRUCTURE
from backgroundtasks.api.arcgis.errors import not_found
from backgroundtasks.api.arcgis.resource import Body, Call, Done, Link, Resource, facts
from backgroundtasks.api.arcgis.vocabulary import (
    SYSTEM,
    milliseconds,
    percent_complete,
    result_text,
)
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backgroundtasks.models import TaskStatus

SUBMITTED: Final = "SUBMITTED"
EXECUTING: Final = "EXECUTING"
CANCELLING: Final = "CANCELLING"
CANCELLED: Final = "CANCELLED"
FAILED: Final = "FAILED"
COMPLETED: Final = "COMPLETED"

#: Which word a state of a run has as a job. None of ours is `UNAVAILABLE`.
JOB_STATUS: Final[dict[State, str]] = {
    State.SCHEDULED: SUBMITTED,
    State.QUEUED: SUBMITTED,
    State.RUNNING: EXECUTING,
    State.WAITING: EXECUTING,
    State.PAUSING: EXECUTING,
    State.PAUSED: EXECUTING,
    State.CANCELLING: CANCELLING,
    State.SUCCEEDED: COMPLETED,
    State.WARNED: COMPLETED,
    State.FAILED: FAILED,
    State.CANCELLED: CANCELLED,
    State.SKIPPED: CANCELLED,
    State.LOST: FAILED,
}

_ID: Final = re.compile(
    r"j?([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE
)
_PATH: Final = "jobs"


def job_id(run_id: UUID) -> str:
    """Return what a run is called as a job: `j9b1f0c6d-…`."""
    return f"j{run_id}"


def started(call: Call, run_id: UUID) -> Done:
    """Return the answer of an operation that has begun a job; its page is the job's."""
    job = job_id(run_id)
    return Done({"jobsUrl": call.url(f"{_PATH}/{job}"), "jobid": job}, f"{_PATH}/{job}")


def job_body(run: TaskStatus) -> Body:
    """Return a run, read with its task and owner, as a job."""
    ended = run.state in FINAL
    body: Body = {
        "jobid": job_id(run.pk),
        "status": JOB_STATUS[State(run.state)],
        "starttime": milliseconds(run.started_at or run.queued_at),
        "endtime": milliseconds(run.finished_at) if ended and run.finished_at else 0,
        "updatedtime": milliseconds(run.modified_at),
        "operationURI": _operation(run),
        "username": run.owner.get_username() if run.owner else SYSTEM,
        "result": result_text(run),
        "taskType": run.task_type,
        "percentComplete": percent_complete(run),
    }
    return body


def _operation(run: TaskStatus) -> str:
    """Return the path of the operation that begins such a job."""
    given: dict[str, Any] = run.task.parameters
    store = f"/system/disasterrecovery/stores/{given.get('storeName', 'default')}/backups"
    match run.task_type:
        case "CreateBackup":
            return f"{store}/create"
        case "VerifyBackup":
            return f"{store}/{given.get('name', '')}/restore"
        case "CreateHealthCheckReports":
            return "/healthCheck/run"
    return f"/system/tasks/{run.task_id.hex}"


def _list(call: Call) -> Body:
    runs = queries.visible_runs(call.actor).order_by("-position").values_list("pk", flat=True)
    page = paging.envelope(runs, call.given, lambda ids: [{"id": job_id(pk)} for pk in ids])
    jobs = [one["id"] for one in page.pop("result")]
    return {"jobs": jobs, **page}


def _show(call: Call) -> Body:
    found = _ID.fullmatch(call.parts["job_id"])
    if found is None:
        raise not_found()
    return job_body(queries.get_run(call.actor, UUID(found[1])))


def _listed(call: Call, body: Body) -> Sequence[Link]:
    """Return links that say more than the list of ids. Queries: one."""
    runs = queries.visible_runs(call.actor).select_related("task", "owner")
    shown = {
        job_id(pk): job_body(run)
        for pk, run in runs.in_bulk([UUID(job[1:]) for job in body["jobs"]]).items()
    }
    return [
        Link(
            job,
            f"{_PATH}/{job}",
            facts=facts(shown[job], "status", "taskType", "starttime", "endtime", "username"),
        )
        for job in body["jobs"]
        if job in shown
    ]


JOBS: Final = Resource(
    _PATH,
    SECURITY_AND_INFRASTRUCTURE,
    _list,
    links=_listed,
    listed=("jobs",),
    fields=paging.FIELDS,
    text="What this installation does for itself, the newest first.",
)
JOB: Final = Resource(f"{_PATH}/<str:job_id>", SECURITY_AND_INFRASTRUCTURE, _show)
