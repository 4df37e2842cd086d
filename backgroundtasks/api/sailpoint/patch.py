"""
`PATCH {version}/{id}`: a JSON Patch (RFC 6902) that says how a run has ended.

The patch is applied to what the API shows of the run, while its row is locked. Only
`completionStatus` and `completed` can be changed, and only together they mean something: a run
that waits will never start, one that runs is stopped or taken from its worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import jsonpatch
from django.utils.dateparse import parse_datetime

from backgroundtasks import exceptions, operations
from backgroundtasks.api import body
from backgroundtasks.api.errors import Refused
from backgroundtasks.api.sailpoint import reading
from backgroundtasks.api.sailpoint.errors import PRECONDITION, Problem, bad_content, illegal_value
from backgroundtasks.api.sailpoint.vocabulary import (
    ERROR,
    SUCCESS,
    TEMPERROR,
    TERMINATED,
    WARNING,
    etag,
    moment,
    represent,
)
from backgroundtasks.operations import Settlement
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus

MEDIA_TYPE: Final = "application/json-patch+json"
MOST_OPERATIONS: Final = 100
STATUS: Final = "/completionStatus"
COMPLETED: Final = "/completed"

_OPS: Final = frozenset({"add", "remove", "replace", "move", "copy", "test"})
_WITH_FROM: Final = frozenset({"move", "copy"})
_CHANGEABLE: Final = frozenset({STATUS, COMPLETED})
_ENDS: Final[dict[str, Settlement]] = {
    SUCCESS: Settlement(State.SUCCEEDED),
    WARNING: Settlement(State.WARNED),
    ERROR: Settlement(State.FAILED),
    TEMPERROR: Settlement(State.FAILED, temporary=True),
    TERMINATED: Settlement(State.CANCELLED),
}
_WORDS: Final = ", ".join(_ENDS)


@dataclass(frozen=True, slots=True)
class Patch:
    """What a request wants to change, and of which state of the run it speaks."""

    operations: list[dict[str, Any]]
    #: `If-Match`; None: of any.
    if_match: str | None

    def apply(self, actor: Actor, run_id: UUID) -> None:
        """
        End the run as the patch says; nothing happens when nothing would change.

        Raises:
            Problem: the patch fails, changes what cannot be changed, or means nothing.
            RunNotFound, PermissionRefused, TransitionRefused: as `operations.settle`.
        """
        operations.settle(actor, run_id, lambda run: self._decide(actor, run))

    def _decide(self, actor: Actor, run: TaskStatus) -> Settlement | None:
        rows = reading.read_rows(reading.shown_runs(actor).filter(pk=run.pk))
        if not rows:
            raise exceptions.RunNotFound(run.pk.hex)
        [row] = rows
        said = reading.read_messages([row.id], most=reading.MESSAGES_OF_ONE).get(row.id, [])
        self._require_match(etag(row))
        before = represent(row, said)
        after = _patched(before, self.operations)
        status, completed = _status(after), _completed(after)
        if (status, completed and moment(completed)) == (
            before["completionStatus"],
            before["completed"],
        ):
            return None
        if run.state in FINAL:
            ended = before["completionStatus"]
            raise illegal_value(f"The task has finished as {ended}; it cannot change any more.")
        if status is None:
            raise illegal_value(f"completed needs completionStatus beside it: one of {_WORDS}.")
        end = _ENDS[status]
        return Settlement(end.state, temporary=end.temporary, finished_at=completed)

    def _require_match(self, tag: str) -> None:
        if self.if_match is None:
            return
        known = {one.strip().removeprefix("W/") for one in self.if_match.split(",")}
        if not known & {tag, "*"}:
            raise Problem(
                HTTPStatus.PRECONDITION_FAILED,
                PRECONDITION,
                f"The task has changed: its ETag is {tag} now.",
            )


def read_patch(request: HttpRequest) -> Patch:
    """
    Return the patch of a request; nothing is applied before all of it is found well formed.

    Raises:
        ApiError: too large, no JSON Patch, or of what cannot be changed.
    """
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE:
        raise bad_content(f"The body must be {MEDIA_TYPE}.")
    try:
        found = body.parse(body.read_bytes(request))
    except Refused as error:
        raise bad_content(error.message) from None
    # The vendor's first page drew the array inside of an object.
    if isinstance(found, dict) and set(found) == {"operations"}:
        found = found["operations"]
    if not isinstance(found, list):
        raise bad_content("The body must be an array of operations.")
    if len(found) > MOST_OPERATIONS:
        raise bad_content(f"A patch has at most {MOST_OPERATIONS} operations.")
    return Patch([_operation(one) for one in found], if_match=request.META.get("HTTP_IF_MATCH"))


def _operation(given: Any) -> dict[str, Any]:
    """Return an operation, its words and times spelled as the document spells them."""
    if not isinstance(given, dict):
        raise bad_content("An operation must be an object.")
    op, path = given.get("op"), given.get("path")
    if not isinstance(op, str) or op not in _OPS:
        raise bad_content(f"op must be one of {', '.join(sorted(_OPS))}.")
    if not isinstance(path, str):
        raise bad_content("path must be a JSON Pointer.")
    source = given.get("from")
    if op in _WITH_FROM and not isinstance(source, str):
        raise bad_content(f"{op} needs from, a JSON Pointer.")
    # Refused unapplied: a copy of the whole into itself would double it each time.
    if op in _WITH_FROM and source == "":
        raise illegal_value("The whole task cannot be a value of it.")
    for changed in [path] * (op != "test") + [source] * (op == "move"):
        if changed not in _CHANGEABLE:
            raise illegal_value(f'"{str(changed)[:100]}" cannot be changed.')
    if path in _CHANGEABLE and isinstance(given.get("value"), str):
        return {**given, "value": _spelled(path, given["value"])}
    return given


def _spelled(path: str, value: str) -> str:
    if path == STATUS:
        return value.upper() if value.upper() in _ENDS else value
    at = _parsed(value)
    return value if at is None else moment(at)


def _patched(document: dict[str, Any], given: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        after = jsonpatch.JsonPatch(given).apply(document)
    except jsonpatch.JsonPatchTestFailed:
        raise bad_content("A test of the patch failed; nothing was changed.") from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise bad_content(f"The patch cannot be applied: {str(error)[:200]}") from None
    patched: dict[str, Any] = after
    return patched


def _status(document: dict[str, Any]) -> str | None:
    value = document.get("completionStatus")
    if value is None:
        return None
    word = value.upper() if isinstance(value, str) else ""
    if word not in _ENDS:
        raise illegal_value(f"completionStatus must be one of {_WORDS}.")
    return word


def _completed(document: dict[str, Any]) -> datetime | None:
    value = document.get("completed")
    if value is None:
        return None
    at = _parsed(value) if isinstance(value, str) else None
    if at is None:
        raise illegal_value("completed must be a time with a zone: 2026-03-04T09:00:00.000Z.")
    return at


def _parsed(text: str) -> datetime | None:
    """Return a time in UTC; None for what is none, or has no zone."""
    try:
        at = parse_datetime(text)
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
