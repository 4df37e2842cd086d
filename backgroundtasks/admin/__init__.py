"""The operators' pages: one module per model, and a dashboard."""

from backgroundtasks.admin.accounts import AccountAdmin, MembershipAdmin
from backgroundtasks.admin.backup_stores import BackupStoreAdmin
from backgroundtasks.admin.credentials import AccessTokenAdmin, OAuthClientAdmin
from backgroundtasks.admin.queues import QueueAdmin
from backgroundtasks.admin.runs import RunAdmin
from backgroundtasks.admin.schedules import ScheduleAdmin
from backgroundtasks.admin.tasks import TaskAdmin
from backgroundtasks.admin.workers import WorkerAdmin

__all__ = [
    "AccessTokenAdmin",
    "AccountAdmin",
    "BackupStoreAdmin",
    "MembershipAdmin",
    "OAuthClientAdmin",
    "QueueAdmin",
    "RunAdmin",
    "ScheduleAdmin",
    "TaskAdmin",
    "WorkerAdmin",
]
