"""`/system/disasterrecovery`: what leads to stores and backups, and how the last job went."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import closed, queries
from backgroundtasks.api.arcgis.access import SECURITY_AND_INFRASTRUCTURE
from backgroundtasks.api.arcgis.backups import OLD_CREATE
from backgroundtasks.api.arcgis.resource import Body, Call, Resource, overview
from backgroundtasks.api.arcgis.vocabulary import milliseconds, result_text
from backgroundtasks.models import Message
from backgroundtasks.states import FINAL, GOOD, State

if TYPE_CHECKING:
    from backgroundtasks.models import TaskStatus

_PATH: Final = "system/disasterrecovery"
_OPERATIONS: Final = {"CreateBackup": "Backup", "VerifyBackup": "Restore"}
#: The one that the vendor's page shows is `success`, with 3.
_STATES: Final = {"none": 0, "submitted": 1, "executing": 2, "success": 3, "failed": 4}
_STAGE: Final = "backup.stage"
_MOST_STAGES: Final = 50


def _show(call: Call) -> Body:
    return {"operations": ["status"], "resources": ["stores", "settings"]}


def _settings(call: Call) -> Body:
    """Return the staging place: a folder on the machine, as a volume is described."""
    folder = closed.folder()
    there = folder
    while there is not None and not there.exists():
        there = there.parent
    size = 0 if there is None else shutil.disk_usage(there).total // 1024**3
    return {
        "staging": {
            "provisioningType": "STATIC",
            "storageClass": "",
            "size": f"{size}Gi",
            "labels": {},
            "configured": folder is not None,
        }
    }


def _status(call: Call) -> Body:
    runs = queries.visible_runs(call.actor).select_related("task").order_by("-position")
    newest = [runs.filter(task_type=task_type).first() for task_type in _OPERATIONS]
    found = [run for run in newest if run is not None]
    if not found:
        return {"status": _none()}
    return {"status": _status_of(max(found, key=lambda run: run.position))}


def _none() -> Body:
    return {"state": "none", "code": 0, "message": "No backup was made yet.", "stages": []}


def _status_of(run: TaskStatus) -> Body:
    state = _state(run)
    given: dict[str, Any] = run.task.parameters
    made: dict[str, Any] = (run.result or {}).get("values") or {}
    return {
        "state": state,
        "code": _STATES[state],
        "operation": _OPERATIONS[run.task_type],
        "backupName": made.get("name") or given.get("name", ""),
        "backupStore": made.get("store") or given.get("storeName", ""),
        "scheduleType": "MANUAL" if run.scheduled_for is None else "SCHEDULED",
        "startTime": milliseconds(run.started_at or run.queued_at),
        "completeTime": milliseconds(run.finished_at) if run.finished_at else 0,
        "message": result_text(run),
        "stages": _stages(run),
    }


def _state(run: TaskStatus) -> str:
    if run.state in GOOD:
        return "success"
    if run.state in FINAL:
        return "failed"
    return "submitted" if run.state in {State.QUEUED, State.SCHEDULED} else "executing"


def _stages(run: TaskStatus) -> list[Body]:
    """Return what the last attempt went through, each with the milliseconds that it took."""
    said = Message.objects.filter(run_id=run.pk, key=_STAGE, attempt=run.attempt)
    begun = list(said.order_by("pk").values_list("text", "created_at")[:_MOST_STAGES])
    ends = [*(at for _, at in begun[1:]), run.finished_at or run.modified_at]
    stages = []
    for number, ((text, at), end) in enumerate(zip(begun, ends, strict=False)):
        took = max(milliseconds(end) - milliseconds(at), 0)
        is_last = number == len(begun) - 1
        stages.append(
            {
                "name": text,
                "state": _stage_state(run) if is_last else "completed",
                "duration": f"{took} millis (~ {took // 60_000} minutes)",
                "lastUpdated": milliseconds(end),
            }
        )
    return stages


def _stage_state(run: TaskStatus) -> str:
    if run.state in GOOD:
        return "completed"
    return "failed" if run.state in FINAL else "executing"


DISASTER_RECOVERY: Final = Resource(
    _PATH,
    SECURITY_AND_INFRASTRUCTURE,
    _show,
    text="Backups, and where they lie.",
)
SETTINGS: Final = Resource(
    f"{_PATH}/settings",
    SECURITY_AND_INFRASTRUCTURE,
    _settings,
    text="Where copies are made before they go into a store; the installation's settings say so.",
)
STATUS: Final = Resource(f"{_PATH}/status", SECURITY_AND_INFRASTRUCTURE, _status)
#: The same, as 10.9 had them.
OLD: Final = (
    Resource(
        f"{_PATH}/backuprestore",
        SECURITY_AND_INFRASTRUCTURE,
        overview,
        operations=(OLD_CREATE,),
        text="The paths of version 10.9.",
    ),
    Resource(f"{_PATH}/backuprestore/status", SECURITY_AND_INFRASTRUCTURE, _status),
)
