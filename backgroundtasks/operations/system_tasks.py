"""The scheduled tasks that every installation has from its first start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.db import transaction

from backgroundtasks import clock, conf, scheduling
from backgroundtasks.handlers import registry
from backgroundtasks.models import Account, Schedule, Task
from backgroundtasks.operations.schedules import SCHEDULE

if TYPE_CHECKING:
    from backgroundtasks.handlers import TaskHandler

logger = logging.getLogger(__name__)

SYSTEM_ACCOUNT = "System"
_HOURLY: Final = "0 0 * * * ?"
#: Task type to title: the vendor's of ArcGIS, whose clients look for them.
_TITLES: Final = {
    "CleanGPJobs": "gpCleanerTask",
    "BackupRetentionCleaner": "backupRetentionCleanerTask",
}


def make_system_tasks() -> int:
    """
    Make the protected tasks of the system account (`conf.SYSTEM_TASKS`), where there are none.

    They are nobody's: the installation itself runs them. Safe at every start, and by several
    processes at once.

    Returns:
        How many are new.
    """
    if not _missing():
        return 0
    make_system_account()
    with transaction.atomic():
        # One at a time: who waits here finds what the other has made.
        account = Account.objects.select_for_update().get(is_system=True)
        missing = _missing()
        for handler in missing:
            _make_task(account, handler)
    return len(missing)


def make_system_account() -> None:
    """Make the reserved account of installation-wide work; give way when its name is taken."""
    if not Account.objects.filter(is_system=True).exists():
        taken = Account.objects.filter(name=SYSTEM_ACCOUNT).exists()
        name = f"{SYSTEM_ACCOUNT} (reserved)" if taken else SYSTEM_ACCOUNT
        Account.objects.get_or_create(is_system=True, defaults={"name": name})


def _missing() -> list[type[TaskHandler]]:
    """Return the types that there is no task of. Queries: one."""
    protected = Schedule.objects.filter(account__is_system=True, protected=True)
    there = set(protected.values_list("task__task_type", flat=True))
    found = []
    for task_type in conf.SYSTEM_TASKS:
        handler = registry.find(task_type)
        if handler is None:
            logger.error("schedule.unknown_type type=%s; SYSTEM_TASKS names it", task_type)
        elif handler.task_type not in there:
            found.append(handler)
    return found


def _make_task(account: Account, handler: type[TaskHandler]) -> None:
    task = Task.objects.create(
        account=account,
        owner=None,
        task_type=handler.task_type,
        title=_TITLES.get(handler.task_type, handler.title()),
        origin=SCHEDULE,
    )
    schedule = Schedule(task=task, account=account, expression=_HOURLY, protected=True)
    schedule.next_at = scheduling.first_time(schedule, clock.now())
    schedule.save(force_insert=True)
    logger.info("schedule.made task_id=%s type=%s", task.pk, task.task_type)
