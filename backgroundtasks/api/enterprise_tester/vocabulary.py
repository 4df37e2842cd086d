"""A run in the words and units of Enterprise Tester."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks.api.enterprise_tester.rendering import moment
from backgroundtasks.handlers import registry
from backgroundtasks.states import FINAL, GOOD, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from backgroundtasks.operations import Submission

COMPLETED: Final = "Task Completed"
_UUID_LENGTH: Final = 36


@dataclass(slots=True)
class Run:
    """What this dialect shows of a run."""

    id: UUID
    task_type: str
    state: str
    processed: int
    total: int
    text: str
    error: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    event: int
    #: As stored: `{"values": {…}, "warnings": […]}`, or its JSON.
    result: Any
    labels: dict[str, str]
    parent_id: UUID | None = None
    #: None without a parent, and when that is flushed.
    parent_type: str | None = None

    @classmethod
    def fresh(cls, submission: Submission) -> Run:
        """Return a run that has just been submitted, as it was stored."""
        return cls(
            id=submission.run_id,
            task_type=submission.handler.task_type,
            state=State.SCHEDULED if submission.scheduled else State.QUEUED,
            processed=0,
            total=0,
            text="",
            error="",
            queued_at=submission.queued_at,
            started_at=None,
            finished_at=None,
            event=1,
            result=None,
            labels=dict(submission.labels or {}),
        )

    @property
    def is_final(self) -> bool:
        """Whether it never changes again."""
        return self.state in FINAL


def public_id(task_type: str, run_id: UUID) -> str:
    """Return the id that clients see: `reindex-<uuid>`, with the handler's prefix."""
    return prefix(task_type) + str(run_id)


def prefix(task_type: str) -> str:
    """Return what stands before the run's own id; a type whose handler is gone keeps the usual."""
    handler = registry.find(task_type)
    return handler.public_prefix() if handler else f"{task_type.lower()}-"


def run_id_of(public: str) -> UUID | None:
    """Return the run's own id within a public one, or None; the prefix is for `belongs`."""
    try:
        own = UUID(public[-_UUID_LENGTH:])
    except ValueError:
        return None
    return own if str(own) == public[-_UUID_LENGTH:].lower() else None


def belongs(public: str, run: Run) -> bool:
    """Return whether a public id, in any letter case, is this run's: the prefix fits its type."""
    return public.lower() == public_id(run.task_type, run.id).lower()


def is_complete(state: str) -> bool:
    """Return whether this dialect calls it complete: it ended well (a failed run has `Error`)."""
    return state in GOOD


def progress_in_percent(processed: int, total: int) -> float:
    """
    Return progress as Enterprise Tester writes it: a fraction of 0.0 to 1.0, two decimals.

    The member is called `ProgressInPercent`, yet the vendor writes 0.1 for one of ten.
    It is 1.0 only when all is done: 999 of 1000 is 0.99.
    """
    if total <= 0:
        return 0.0
    if processed >= total:
        return 1.0
    return min(round(processed / total, 2), 0.99)


def etag(run: Run) -> str:
    """Return the entity tag of a run's representation: every visible change raises `event`."""
    return f'W/"{run.event}"'


def represent(run: Run, folder: str, link: Callable[[str, str], str]) -> dict[str, Any]:
    """
    Return the representation, its members in the vendor's order, ours behind them.

    Args:
        run: What to show.
        folder: The absolute URL that the public id is put behind.
        link: `link("incident", id)` gives the absolute URL of a resource.
    """
    public = public_id(run.task_type, run.id)
    final = run.state in FINAL
    complete = run.state in GOOD
    body: dict[str, Any] = {"Complete": complete}
    if final and not complete:
        # Clients that wait for `Complete or Error` must never wait for ever.
        body["Error"] = run.error or f"The task is {run.state}."
    body["TotalElements"] = run.total
    body["ProcessedElements"] = run.processed
    body["StartedAt"] = moment(run.started_at or run.queued_at)
    if run.finished_at is not None:
        body["FinishedAt"] = moment(run.finished_at)
    # A handler that counts nothing has done all of it when it has ended well.
    body["ProgressInPercent"] = 1.0 if complete else progress_in_percent(run.processed, run.total)
    body["Id"] = public
    body["Message"] = COMPLETED if complete else (run.text or None)
    body["Self"] = folder + public
    body["QueuedAt"] = moment(run.queued_at)
    body["State"] = str(run.state)
    if run.labels:
        # PostgreSQL keeps them in an order of its own; the same answer must have the same bytes.
        body["Labels"] = dict(sorted(run.labels.items()))
    if run.parent_id is not None and run.parent_type is not None:
        body["ParentId"] = public_id(run.parent_type, run.parent_id)
        body["Parent"] = folder + body["ParentId"]
    if complete and run.result:
        _add_results(body, run, link)
    return body


def _add_results(body: dict[str, Any], run: Run, link: Callable[[str, str], str]) -> None:
    """Add what the handler shows of its result; its members never replace ours."""
    result = json.loads(run.result) if isinstance(run.result, str) else run.result
    warnings = result.get("warnings") or []
    if warnings:
        body["Warnings"] = warnings
    handler = registry.find(run.task_type)
    if handler is not None:
        members = handler.result_members(result.get("values") or {}, link)
        for name, value in members.items():
            body.setdefault(name, value)
