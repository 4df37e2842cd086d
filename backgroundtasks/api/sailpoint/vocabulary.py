"""A run in SailPoint's words: a `TaskStatus` with every member that the vendor documents."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from backgroundtasks.api import json_schema
from backgroundtasks.handlers import SecretField, TaskHandler, registry
from backgroundtasks.states import GOOD, State

if TYPE_CHECKING:
    from collections.abc import Iterable

SUCCESS: Final = "SUCCESS"
WARNING: Final = "WARNING"
ERROR: Final = "ERROR"
TERMINATED: Final = "TERMINATED"
TEMPERROR: Final = "TEMPERROR"

#: The words that `/beta` had at first.
TITLE_CASE: Final = {
    SUCCESS: "Success",
    WARNING: "Warning",
    ERROR: "Error",
    TERMINATED: "Terminated",
    TEMPERROR: "TempError",
}

#: Which word a state has; None: not finished. A failure that may pass is TEMPERROR.
COMPLETION: Final[dict[State, str | None]] = {
    **dict.fromkeys(State),
    State.SUCCEEDED: SUCCESS,
    State.WARNED: WARNING,
    State.FAILED: ERROR,
    State.CANCELLED: TERMINATED,
    State.SKIPPED: TERMINATED,
    State.LOST: TEMPERROR,
}

_CALLED_OFF: Final = frozenset({State.CANCELLED, State.SKIPPED})

QUARTZ: Final = "QUARTZ"
QPOC: Final = "QPOC"
QUEUED_TASK: Final = "QUEUED_TASK"
#: By which door a run came in: a schedule, code of this process, else from outside.
TYPES: Final = {"schedule": QUARTZ, "code": QPOC, "parent": QPOC}

#: Who launched what nobody owns.
SYSTEM: Final = "system"
LOCALE: Final = "en-US"

_LEVELS: Final = {"info": "INFO", "warning": "WARN", "error": "ERROR"}
_TARGETS: Final = frozenset({"APPLICATION", "IDENTITY"})
_DEFINITIONS: Final = UUID("3b0f5b0e-6c0a-4c53-9d0e-7a2f4f7a5a10")
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

#: What a representation is made of, in the order of `Row`.
COLUMNS: Final = (
    "id",
    "task_type",
    "state",
    "temporary",
    "processed",
    "total",
    "text",
    "error",
    "queued_at",
    "started_at",
    "finished_at",
    "modified_at",
    "event",
    "result",
    "origin",
    "owner__username",
    "task__title",
    "task__resource",
    "parent__task_type",
    "parent__task__title",
)

#: A moment: of the database driver, or as SQLite stores it.
Moment = datetime | str


@dataclass(slots=True)
class Row:
    """
    What this dialect shows of a run, as the database's driver gives it.

    Ids may be UUIDs or their 32 digits, times datetimes or SQLite's text, JSON its text: the
    conversions of an ORM would cost a page of 250 more than all the rest.
    """

    id: UUID | str
    task_type: str
    state: str
    temporary: bool | int
    processed: int
    total: int
    text: str
    error: str
    queued_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    modified_at: Moment
    event: int
    result: Any
    origin: str
    owner: str | None
    title: str
    resource: Any
    parent_type: str | None
    parent_title: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a run."""

    level: str
    key: str
    text: str
    #: JSON: an object.
    parameters: Any


def completion_status(run: Row) -> str | None:
    """Return the run's `completionStatus` in upper case; None while it has not finished."""
    if run.state == State.FAILED and run.temporary:
        return TEMPERROR
    return COMPLETION[State(run.state)]


def moment(at: Moment) -> str:
    """Return a time as `2026-03-04T08:15:30.120Z`: UTC, cut to milliseconds."""
    if isinstance(at, str):
        return f"{at[:10]}T{at[11:19]}.{at[20:23]:0<3}Z"
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def percent_complete(row: Row) -> int:
    """Return progress as a whole number of 0 to 100; 100 only when it has ended well."""
    if row.state in GOOD:
        return 100
    if row.total <= 0:
        return 0
    return min(row.processed * 100 // row.total, 99)


def kind(task_type: str) -> str:
    """Return a task type as `filters` name it: `AutomatedTestImport` is AUTOMATED_TEST_IMPORT."""
    return "_".join(_WORDS.findall(task_type)).upper()


def etag(row: Row) -> str:
    """Return the entity tag of a representation: every visible change raises `event`."""
    return f'"{row.event}"'


def represent(row: Row, said: Iterable[Said], *, title_case: bool = False) -> dict[str, Any]:
    """
    Return a `TaskStatus` with every member, in the vendor's order.

    Args:
        row: The run.
        said: Its messages, oldest first.
        title_case: `Success` instead of `SUCCESS`.
    """
    status = completion_status(row)
    definition = _definition(row.task_type)
    values = _values(row.result)
    body: dict[str, Any] = {
        "id": row.id if isinstance(row.id, str) else row.id.hex,
        "type": TYPES.get(row.origin, QUEUED_TASK),
        "uniqueName": row.title or definition.title,
        "description": definition.title,
        "parentName": _parent_name(row),
        "launcher": row.owner or SYSTEM,
        "target": _target(row.resource),
        "created": moment(row.queued_at),
        "modified": moment(row.modified_at),
        "launched": None if row.started_at is None else moment(row.started_at),
        "completed": None if row.finished_at is None else moment(row.finished_at),
        "completionStatus": TITLE_CASE[status] if status and title_case else status,
        "messages": [_message(one) for one in said],
        "returns": [{"name": _spoken(name), "attributeName": name} for name in values],
        "attributes": values,
        "progress": row.text or None,
        "percentComplete": percent_complete(row),
    }
    _add_end(body, row)
    if definition.summary is not None:
        body["taskDefinitionSummary"] = definition.summary
    return body


def _message(said: Said) -> dict[str, Any]:
    # An object for each parameter: the oldest clients take neither texts nor numbers here.
    parameters = _json(said.parameters) or {}
    return _line(
        _LEVELS[said.level],
        said.key,
        said.text or said.key,
        [{name: value} for name, value in parameters.items()],
    )


def _line(
    level: str, key: str, text: str, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "type": level,
        "key": key,
        "localizedText": {"locale": LOCALE, "message": text},
        "parameters": parameters or [],
    }


def _add_end(body: dict[str, Any], row: Row) -> None:
    """Add how it ended to the messages: the vendor has no other member that says why."""
    if row.error:
        level = "WARN" if row.state in _CALLED_OFF else "ERROR"
        body["messages"].append(_line(level, f"run.{row.state}", row.error))
    if row.state == State.WARNED:
        warnings = (_json(row.result) or {}).get("warnings") or []
        body["messages"] += [_line("WARN", "run.warning", str(text)) for text in warnings]


def _values(result: Any) -> dict[str, Any]:
    if not result:
        return {}
    values: dict[str, Any] = _json(result).get("values") or {}
    return values


def _json(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored


def _target(resource: Any) -> dict[str, Any] | None:
    if not resource:
        return None
    found = _json(resource)
    kind_of = str(found.get("kind", "")).upper()
    return {
        "id": found["id"],
        "type": kind_of if kind_of in _TARGETS else None,
        "name": found.get("name") or "",
    }


@lru_cache(maxsize=1000)
def _spoken(name: str) -> str:
    """Return a member's name as people write it: `productsRead` is `Products read`."""
    words = [word if word.isupper() else word.lower() for word in _WORDS.findall(name)]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if text else name


@dataclass(frozen=True, slots=True)
class _Definition:
    """What is said of a task type."""

    handler: type[TaskHandler] | None
    title: str
    #: No run of it is hidden from any member of its account.
    is_open: bool
    #: `taskDefinitionSummary`; None without a handler: the member is left out.
    summary: dict[str, Any] | None


_definitions: dict[str, _Definition] = {}


def _definition(task_type: str) -> _Definition:
    """Return what is said of a task type, made once for each handler."""
    known = _definitions.get(task_type)
    handler = registry.find(task_type)
    if known is None or known.handler is not handler:
        known = _definitions[task_type] = _Definition(
            handler,
            handler.title() if handler else task_type,
            handler is not None and handler.visible_to.__func__ is TaskHandler.visible_to.__func__,  # type: ignore[attr-defined]
            _summary(handler) if handler else None,
        )
    return known


def _parent_name(row: Row) -> str | None:
    """Return what the parent is called; its own title only where everybody may see such runs."""
    if row.parent_type is None:
        return None
    definition = _definition(row.parent_type)
    return (row.parent_title if definition.is_open else "") or definition.title


def _summary(handler: type[TaskHandler]) -> dict[str, Any]:
    return {
        "id": uuid5(_DEFINITIONS, handler.task_type).hex,
        "uniqueName": handler.task_type,
        "description": handler.title(),
        "parentName": handler.__module__.partition(".")[0],
        "executor": f"{handler.__module__}.{handler.__qualname__}",
        "arguments": {
            name: _word(field)
            for name, field in handler.Parameters().fields.items()
            if not field.read_only
        },
    }


def _word(field: Any) -> str:
    """Return the type of a parameter; what it may hold, not what it holds."""
    if isinstance(field, SecretField):
        return "secret"
    shape = json_schema.of_field(field)
    word = shape.get("type", "any")
    return str(word[0] if isinstance(word, list) else word)
