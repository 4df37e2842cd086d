"""The OpenAPI document of this dialect; it is data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import VERSION
from backgroundtasks.api.astra import errors, filters, identities, media, parameters, vocabulary
from backgroundtasks.api.astra.fields import FIELDS, MEMBERS, ORDERED
from backgroundtasks.api.schema_views import Written

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

_TITLE: Final = "Task center: Astra API"
SETTINGS: Final[Schema] = {"TITLE": _TITLE}

_TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
}
_UUID: Final[Schema] = {"type": "string", "pattern": f"^{identities.PATTERN}$"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(shortest: int, longest: int, **more: Any) -> Schema:
    return {"type": "string", "minLength": shortest, "maxLength": longest, **more}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "uniqueItems": True, "items": item}


def _closed(required: Schema, optional: Schema | None = None) -> Schema:
    """Return an object that has nothing else than these members."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


_STATE: Final[Schema] = {"type": "string", "enum": list(vocabulary.WORDS)}
_METADATA: Final[Schema] = {
    "labels": _list_of(_closed({"name": {"type": "string"}, "value": {"type": "string"}})),
    "creationTimestamp": _ref("Time"),
    "modificationTimestamp": _ref("Time"),
    "createdBy": _ref("Identifier"),
}
_SCHEMAS: Final[Schema] = {
    "Identifier": {
        **_UUID,
        "description": "A UUID of version 4 or 5, or the nil one, with dashes and in lower case.",
    },
    "Time": {**_TIME, "description": "UTC, with six decimals."},
    "Task": _closed(
        {
            "type": {"const": vocabulary.TYPE},
            "version": {"const": vocabulary.VERSION},
            "id": _ref("Identifier"),
            "name": _text(vocabulary.SHORTEST, vocabulary.NAME, pattern=r"^(?:[a-z]*\.)*[a-z]+$"),
            "summary": _text(vocabulary.SHORTEST, vocabulary.SUMMARY),
            "description": _text(1, vocabulary.DESCRIPTION),
            "resourceID": _ref("Identifier"),
            "resourceURI": _text(vocabulary.SHORTEST, vocabulary.URI),
            "resourceCollectionURI": _list_of(_text(vocabulary.SHORTEST, vocabulary.URI)),
            "state": _STATE,
            "stateTransitions": _list_of(_closed({"from": _STATE, "to": _list_of(_STATE)})),
            "stateDetails": _list_of(
                _closed(
                    {"type": {"type": "string"}, "title": _text(1, 40), "detail": _text(1, 511)},
                    {"additionalDetails": {"type": "object"}},
                )
            ),
            "metadata": _closed(_METADATA),
        },
        {
            "service": _text(1, vocabulary.SERVICE),
            "parentTaskID": _ref("Identifier"),
            "userID": _ref("Identifier"),
            "orderHint": {"type": "number"},
            "percentDone": {"type": "number", "minimum": 0, "maximum": 100},
            "startTime": _ref("Time"),
            "endTime": _ref("Time"),
            "cancelTime": _ref("Time"),
        },
    ),
    "Tasks": _closed(
        {
            "type": {"const": vocabulary.LIST_TYPE},
            "version": {"const": vocabulary.VERSION},
            "items": {
                "type": "array",
                "items": {
                    "oneOf": [
                        _ref("Task"),
                        {"type": "array", "description": "With `include`: values, in its order."},
                    ]
                },
            },
            "metadata": _closed(
                {},
                {
                    "count": {"type": "integer", "minimum": 0},
                    "continue": {"type": "string", "pattern": "^[0-9A-Za-z]+$"},
                },
            ),
        }
    ),
    "Problem": {
        "type": "object",
        "required": ["type", "title", "detail", "status", "correlationID"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "status": {"type": "string", "pattern": "^[45][0-9][0-9]$"},
            "correlationID": _ref("Identifier"),
            "invalidParams": {
                **_list_of(_closed({"name": {"type": "string"}, "reason": {"type": "string"}})),
                "minItems": 1,
            },
        },
    },
}


def _any_of(names: Iterable[str]) -> str:
    return "(?:" + "|".join(names) + ")"


def _filter() -> str:
    """Return what a `filter` looks like: members with the operators and values that they take."""
    alike: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for name, field in FIELDS.items():
        alike.setdefault((field.operators, field.pattern), []).append(re.escape(name))
    tests = [
        f"{_any_of(names)} {_any_of(operators)} '{pattern}'"
        for (operators, pattern), names in alike.items()
    ]
    one = _any_of(tests)
    return f"^{one}(?:,{one}){{0,{filters.MOST - 1}}}$"


def _query(name: str, schema: Schema, description: str, **more: Any) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


_WHOLE: Final[Schema] = {"type": "string", "pattern": "^[1-9][0-9]*$"}
_QUERY: Final[list[Schema]] = [
    _query(
        "include",
        {
            "type": "string",
            "pattern": f"^{_any_of(MEMBERS)}(?:,{_any_of(MEMBERS)}){{0,{parameters.MOST_NAMES - 1}}}$",
        },
        "Members of a task: each item becomes an array of their values, in this order; null where "
        "a task has none.",
    ),
    _query("limit", _WHOLE, "Items at most: 1,000; `metadata.continue` leads to more."),
    _query(
        "filter",
        {"type": "array", "items": {"type": "string", "pattern": _filter()}, "maxItems": 5},
        "`state eq 'running',percentDone gte '50'`: conditions that must all hold, also when the "
        "parameter is repeated. `in` is: contains.",
        style="form",
        explode=True,
    ),
    _query("skip", _WHOLE, "Items to pass over. Our addition for tasks."),
    _query(
        "orderBy",
        {"type": "string", "enum": [name + way for name in ORDERED for way in ("", " desc")]},
        "Newest first without it. Our addition for tasks.",
    ),
    _query(
        "count",
        {"type": "string", "enum": ["true"]},
        "Puts the number of all matches into `metadata.count`. Our addition for tasks.",
    ),
    _query(
        "continue",
        {"type": "string", "pattern": "^[0-9A-Za-z]+$"},
        "From `metadata.continue` of the page before, with the same `orderBy` and `filter`. Our "
        "addition for tasks.",
    ),
]


def _path(name: str, of: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": _ref("Identifier"),
        "description": of,
    }


def _answers(schema: str, kinds: tuple[str, ...], refusals: tuple[int, ...]) -> Schema:
    found: Schema = {
        "200": {
            "description": "OK",
            "headers": {
                "ETag": {
                    "required": True,
                    "schema": {"type": "string"},
                    "description": "MD5 of the document; `If-None-Match` takes it.",
                }
            },
            "content": {kind: {"schema": _ref(schema)} for kind in kinds},
        }
    }
    for status in refusals:
        titles = [title for code, title in errors.CATALOGUE.values() if code == status]
        found[str(status)] = {
            "description": "; ".join(titles) or "Too many failed logins",
            "content": {errors.CONTENT_TYPE: {"schema": _ref("Problem")}},
        }
    return found


_REFUSALS: Final = (400, 401, 403, 404, 406, 429, 500, 503)
_ACCOUNT: Final = _path("account_id", "An account that the caller belongs to.")

DOCUMENT: Final[Schema] = {
    "openapi": "3.1.0",
    "info": {
        "title": _TITLE,
        "version": VERSION,
        "description": (
            "Tasks of an account, read-only, as clients of NetApp's Astra Control read them. "
            "Errors are problems (RFC 7807) whose status is a text; their `correlationID` stands "
            "in the server's log."
        ),
    },
    "security": [{"bearer": []}],
    "paths": {
        "/accounts/{account_id}/core/v1/tasks": {
            "get": {
                "operationId": "listTasks",
                "summary": "List the tasks of an account that the caller may see",
                "tags": ["tasks"],
                "parameters": [_ACCOUNT, *_QUERY],
                "responses": _answers("Tasks", media.TASKS, _REFUSALS),
            }
        },
        "/accounts/{account_id}/core/v1/tasks/{task_id}": {
            "get": {
                "operationId": "getTask",
                "summary": "Show one task",
                "tags": ["tasks"],
                "parameters": [_ACCOUNT, _path("task_id", "The task's `id`.")],
                "responses": _answers("Task", media.TASK, _REFUSALS),
            }
        },
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "From `POST /oauth/token` or `manage.py issue_token`.",
            }
        },
    },
}


class Document(Written):
    """The document as it is served."""

    document = DOCUMENT
