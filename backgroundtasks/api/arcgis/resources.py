"""All resources of this dialect, from the root downwards."""

from __future__ import annotations

from typing import Final

from backgroundtasks import VERSION
from backgroundtasks.api.arcgis import (
    backup_stores,
    backups,
    disaster_recovery,
    errors,
    health_check,
    jobs,
)
from backgroundtasks.api.arcgis.access import ANY
from backgroundtasks.api.arcgis.resource import Body, Call, Resource, overview
from backgroundtasks.api.arcgis.runs import RUN, RUNS
from backgroundtasks.api.arcgis.tasks import TASK, TASKS


def _root(call: Call) -> Body:
    return {
        "fullVersion": VERSION,
        "currentVersion": VERSION,
        "resources": call.children(),
        "status": "success",
    }


def _nothing(call: Call) -> Body:
    raise errors.not_found()


#: Stands for every path that there is not.
NOTHING: Final = Resource("<path:rest>", ANY, _nothing)
ROOT: Final = Resource("", ANY, _root, text="The Administrator API of this installation.")
SYSTEM: Final = Resource("system", ANY, overview, text="Work on the installation itself.")

#: Further resources of this API: add them here.
RESOURCES: Final[tuple[Resource, ...]] = (
    ROOT,
    SYSTEM,
    TASKS,
    TASK,
    RUNS,
    RUN,
    disaster_recovery.DISASTER_RECOVERY,
    disaster_recovery.SETTINGS,
    disaster_recovery.STATUS,
    backup_stores.STORES,
    backup_stores.STORE,
    backups.BACKUPS,
    backups.BACKUP,
    *disaster_recovery.OLD,
    *backups.OLD,
    jobs.JOBS,
    jobs.JOB,
    health_check.HEALTH_CHECK,
    health_check.SUITES,
    health_check.SUITE,
    health_check.REPORTS,
    health_check.QUERY,
    health_check.REPORT,
)
