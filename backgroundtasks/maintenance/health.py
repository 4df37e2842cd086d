"""What can be said of an installation's health from within a worker."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from backgroundtasks import conf
from backgroundtasks.handlers import data_keys
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.errors import MaintenanceError
from backgroundtasks.models import Queue, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

PASSED: Final = "passed"
WARNING: Final = "warning"
FAILED: Final = "failed"

#: All checks there are, by the vendor's name of such a suite.
SUITE: Final = "BSHC-001"
#: Less free space than this is worth a warning, in bytes.
_ROOM: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    #: `passed`, `warning` or `failed`.
    result: str
    #: What is so, and what to do where it should not be.
    text: str


def findings() -> list[Finding]:
    """Make every check; one that cannot be made has failed."""
    found = []
    for check in _CHECKS:
        try:
            result, text = check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
            result, text = FAILED, f"It cannot be checked: {type(error).__name__}."
        found.append(Finding(check.__name__.strip("_"), result, text))
    return found


def names() -> list[str]:
    """Return the names of all checks, in their order."""
    return [check.__name__.strip("_") for check in _CHECKS]


def worst(found: list[Finding]) -> str:
    """Return the worst of all results."""
    results = {finding.result for finding in found}
    return next((result for result in (FAILED, WARNING) if result in results), PASSED)


def _migrations() -> tuple[str, str]:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        return FAILED, f"{missing} migrations are missing: run manage.py migrate."
    return PASSED, "The database is migrated."


def _workers() -> tuple[str, str]:
    alive = Worker.objects.filter(stopped_at__isnull=True, beat_at__gt=Now() - conf.LEASE).count()
    if not alive:
        return FAILED, "No worker beats: start manage.py runworkers."
    return PASSED, f"{alive} workers beat."


def _queues() -> tuple[str, str]:
    paused = sorted(Queue.objects.filter(paused_at__isnull=False).values_list("name", flat=True))
    if paused:
        return WARNING, f"Paused: {', '.join(paused)}. manage.py resume_queue lets them go on."
    return PASSED, "No queue is paused."


def _settings() -> tuple[str, str]:
    said = checks.run_checks(databases=[connection.alias])
    serious = [message for message in said if message.level >= checks.ERROR]
    warned = [message for message in said if message.level == checks.WARNING]
    if serious or warned:
        text = " ".join(f"{message.id}: {message.msg}" for message in (*serious, *warned))
        return (FAILED if serious else WARNING), text
    return PASSED, "All checks of the settings pass."


def _backups() -> tuple[str, str]:
    there = stores.all_known()
    if not there:
        return WARNING, "No backup store is set: settings.TASKCENTER['BACKUP_STORES']."
    newest, damaged = [], []
    for known in there:
        try:
            found, unreadable = stores.listed(stores.get(known.name))
        except MaintenanceError as error:
            return FAILED, f"{known.name}: {error}"
        newest += [backup for backup in found if backup.whole][:1]
        damaged += [*unreadable, *(backup.name for backup in found if not backup.whole)]
    if damaged:
        return WARNING, f"Damaged: {', '.join(damaged)}."
    if not newest:
        return WARNING, "There is no backup: manage.py create_backup makes one."
    last = max(newest, key=lambda backup: backup.made_at)
    return PASSED, f"The newest is {last.name}."


def _room() -> tuple[str, str]:
    scarce = []
    local = {store.settings["path"] for store in stores.all_known() if "path" in store.settings}
    for folder in {*local, *filter(None, [conf.MAINTENANCE_DIR])}:
        there = Path(folder)
        while not there.exists():
            there = there.parent
        if not os.access(there, os.W_OK):
            return FAILED, f"{there} cannot be written to."
        free = shutil.disk_usage(there).free
        if free < _ROOM:
            scarce.append(f"{there} has {free // 1024**2} MiB left")
    if scarce:
        return WARNING, f"{'; '.join(sorted(scarce))}."
    return PASSED, "There is room for backups."


def _data_keys() -> tuple[str, str]:
    path = data_keys.file()
    if path is None:
        return PASSED, "The data keys come from the settings."
    if path.stat().st_mode & 0o077:
        return FAILED, f"Others may read {path}: chmod 600 it."
    return PASSED, "Nobody else may read the data keys."


_CHECKS: Final[tuple[Callable[[], tuple[str, str]], ...]] = (
    _migrations,
    _workers,
    _queues,
    _settings,
    _backups,
    _room,
    _data_keys,
)
