"""A run as Astra's task: its members in the vendor's order, and none is ever null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api.astra import identities, vocabulary
from backgroundtasks.api.astra.paths import task_path
from backgroundtasks.api.astra.state_details import details
from backgroundtasks.api.astra.vocabulary import moment
from backgroundtasks.states import State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: What a task is made of, in the order of `Run`.
COLUMNS: Final = (
    "id",
    "account_id",
    "task_type",
    "state",
    "queue",
    "attempt",
    "run_after",
    "queued_at",
    "started_at",
    "finished_at",
    "modified_at",
    "processed",
    "total",
    "text",
    "error",
    "temporary",
    "result__warnings",
    "owner_id",
    "parent_id",
    "child_number",
    "task__title",
    "task__labels",
    "task__resource",
)


@dataclass(slots=True)
class Run:
    """What this dialect shows of a run."""

    id: UUID
    account_id: UUID
    task_type: str
    state: str
    queue: str
    attempt: int
    run_after: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    modified_at: datetime
    processed: int
    total: int
    text: str
    error: str
    temporary: bool
    warnings: list[str] | None
    owner_id: Any
    parent_id: UUID | None
    child_number: int | None
    title: str
    labels: dict[str, str]
    resource: dict[str, str] | None


def represent(run: Run, origin: str) -> dict[str, Any]:
    """
    Return the task, its members in the vendor's order.

    Args:
        run: What to show.
        origin: `https://host:port`, for the addresses of the resource.
    """
    words = vocabulary.type_words(run.task_type)
    title = run.title
    short = vocabulary.summary(title, words)
    body: dict[str, Any] = {
        "type": vocabulary.TYPE,
        "version": vocabulary.VERSION,
        "id": str(run.id),
        "name": words.name,
        "summary": short,
        # A title that the summary leaves out, wholly or in part, stands here.
        "description": title if title.strip(" ") and title != short else words.description,
    }
    if run.queue:
        body["service"] = run.queue[: vocabulary.SERVICE]
    if run.parent_id is not None:
        body["parentTaskID"] = str(run.parent_id)
    user = identities.of_user(run.owner_id)
    if run.owner_id is not None:
        body["userID"] = user
    body.update(_resource(run, origin))
    body["state"] = vocabulary.STATES[State(run.state)]
    body["stateTransitions"] = vocabulary.TRANSITIONS
    body["stateDetails"] = details(run)
    if run.child_number is not None:
        body["orderHint"] = run.child_number
    done = vocabulary.percent_done(run.state, run.processed, run.total)
    if done is not None:
        body["percentDone"] = done
    if run.started_at is not None:
        body["startTime"] = moment(run.started_at)
    if run.finished_at is not None:
        body["endTime"] = moment(run.finished_at)
        if body["state"] == vocabulary.CANCELLED:
            body["cancelTime"] = body["endTime"]
    body["metadata"] = {
        "labels": [{"name": name, "value": value} for name, value in run.labels.items()],
        "creationTimestamp": moment(run.queued_at),
        "modificationTimestamp": moment(run.modified_at),
        "createdBy": user,
    }
    return body


def _resource(run: Run, origin: str) -> dict[str, Any]:
    """Return what the task works on; without a path of its own the task stands for it."""
    resource = run.resource or {}
    path = resource.get("path", "")
    fits = len(path) >= vocabulary.SHORTEST and len(origin) + len(path) <= vocabulary.URI
    return {
        "resourceID": identities.of_resource(resource.get("id", "")),
        "resourceURI": path if fits else task_path(run.account_id, run.id),
        "resourceCollectionURI": [path if "://" in path else origin + path] if fits else [],
    }
