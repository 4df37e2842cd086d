"""What the core stores: one file per model."""

from backgroundtasks.models.access_token import AccessToken, OAuthClient
from backgroundtasks.models.account import Account, Membership, Role
from backgroundtasks.models.attempt import Attempt, AttemptOutcome
from backgroundtasks.models.backup_store import BackupStore, StoreKind
from backgroundtasks.models.edition import Edition
from backgroundtasks.models.idempotency_key import IdempotencyKey
from backgroundtasks.models.labelled import Labelled
from backgroundtasks.models.message import Level, Message
from backgroundtasks.models.queue import Queue
from backgroundtasks.models.schedule import Missed, Overlap, Schedule, ScheduleState
from backgroundtasks.models.task import Task
from backgroundtasks.models.task_status import TaskStatus
from backgroundtasks.models.worker import Worker

__all__ = [
    "AccessToken",
    "Account",
    "Attempt",
    "AttemptOutcome",
    "BackupStore",
    "Edition",
    "IdempotencyKey",
    "Labelled",
    "Level",
    "Membership",
    "Message",
    "Missed",
    "OAuthClient",
    "Overlap",
    "Queue",
    "Role",
    "Schedule",
    "ScheduleState",
    "StoreKind",
    "Task",
    "TaskStatus",
    "Worker",
]
