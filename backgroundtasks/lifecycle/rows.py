"""What goes to the database and what comes back on the four paths that leave the ORM."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.models import Task, TaskStatus
from backgroundtasks.states import HELD, STANDING, State, sql_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

#: The channel of PostgreSQL's notifications: "there may be work".
CHANNEL: Final = "backgroundtasks"

TASK_TABLE: Final = Task._meta.db_table  # noqa: SLF001 - `_meta` is Django's documented API
RUN_TABLE: Final = TaskStatus._meta.db_table  # noqa: SLF001

#: States with a worker, and those that hold an exclusive key, as SQL writes lists.
HELD_STATES: Final = sql_list(HELD)
BEGUN_STATES: Final = sql_list(HELD | STANDING)

#: A test compares these with the models: a new column without a default is noticed there.
TASK_COLUMNS: Final = (
    "id",
    "account_id",
    "owner_id",
    "task_type",
    "title",
    "parameters",
    "origin",
    "labels",
    "resource",
    "created_at",
)
RUN_COLUMNS: Final = (
    "id",
    "task_id",
    "account_id",
    "owner_id",
    "task_type",
    "origin",
    "state",
    "queue",
    "priority",
    "position",
    "run_after",
    "batchable",
    "exclusive_key",
    "queued_at",
    "modified_at",
    "retry_of_id",
    "parent_id",
    "child_key",
    "child_number",
    "resource_id",
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be made; with `title` and the others of the task when that is new too."""

    id: UUID
    task_id: UUID
    account_id: UUID
    owner_id: int | None
    task_type: str
    queue: str
    priority: int
    position: int
    run_after: datetime
    queued_at: datetime
    scheduled: bool
    batchable: bool
    exclusive_key: str | None
    retry_of_id: UUID | None = None
    parent_id: UUID | None = None
    child_key: str | None = None
    child_number: int | None = None
    #: Of the task: `{"id", "name", "kind", "path"}`.
    resource: dict[str, str] | None = None
    title: str = ""
    #: JSON, secrets sealed.
    parameters: dict[str, Any] | None = None
    origin: str = "code"
    labels: dict[str, str] | None = None

    def task_row(self) -> tuple[Any, ...]:
        """Return the values of `TASK_COLUMNS`."""
        return (
            self.task_id,
            self.account_id,
            self.owner_id,
            self.task_type,
            self.title,
            json.dumps(self.parameters or {}),
            self.origin,
            json.dumps(self.labels) if self.labels else "{}",
            None if self.resource is None else json.dumps(self.resource),
            self.queued_at,
        )

    def run_row(self) -> tuple[Any, ...]:
        """Return the values of `RUN_COLUMNS`."""
        return (
            self.id,
            self.task_id,
            self.account_id,
            self.owner_id,
            self.task_type,
            self.origin,
            (State.SCHEDULED if self.scheduled else State.QUEUED).value,
            self.queue,
            self.priority,
            self.position,
            self.run_after,
            self.batchable,
            self.exclusive_key,
            self.queued_at,
            self.queued_at,
            self.retry_of_id,
            self.parent_id,
            self.child_key,
            self.child_number,
            None if self.resource is None else self.resource["id"],
        )


#: What a claim returns of a run, in the order of `ClaimedRun`; the task's parameters follow.
CLAIMED_COLUMNS: Final = (
    "id",
    "task_id",
    "account_id",
    "owner_id",
    "task_type",
    "attempt",
    "interruptions",
    "batchable",
    "exclusive_key",
    "parent_id",
    "processed",
    "total",
    "text",
    "memory",
)


@dataclass(slots=True)
class ClaimedRun:
    """A run that this worker holds."""

    id: UUID
    task_id: UUID
    account_id: UUID
    owner_id: int | None
    task_type: str
    attempt: int
    interruptions: int
    batchable: bool
    exclusive_key: str | None
    parent_id: UUID | None
    processed: int
    total: int
    text: str
    memory: dict[str, Any] | None
    parameters: dict[str, Any]


@dataclass(slots=True)
class Finish:
    """How a run that this worker held has ended well."""

    run_id: UUID
    attempt: int
    #: `succeeded` or `warned`.
    state: State
    result: dict[str, Any] | None
    processed: int
    total: int
    text: str
    retention: timedelta
    #: The run that may wait for this one.
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought."""

    runs: Sequence[ClaimedRun]
    #: More runs stood at the head of the queue than were taken.
    more: bool
    #: Runs whose finish matched a row; the others were no longer this worker's.
    finished: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write a run: who holds it, in which attempt."""

    run_id: UUID
    attempt: int
    token: int
