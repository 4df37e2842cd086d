"""The OpenAPI document of this dialect; it is data."""

from __future__ import annotations

from typing import Any, Final

from backgroundtasks import VERSION
from backgroundtasks.api.sailpoint import filters, pagination, patch, vocabulary
from backgroundtasks.api.sailpoint.versions import VERSIONS, Version
from backgroundtasks.api.schema_views import Written

Schema = dict[str, Any]

_TITLE: Final = "Task center: SailPoint task-status API"
SETTINGS: Final[Schema] = {"TITLE": _TITLE}
_JSON: Final = "application/json"

_TEXT: Final[Schema] = {"type": "string"}
_NULLABLE: Final[Schema] = {"type": ["string", "null"]}
_TIME: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
}
_NULLABLE_TIME: Final[Schema] = {**_TIME, "type": ["string", "null"]}
_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}


def _object(members: Schema, **optional: Schema) -> Schema:
    """Return an object whose `members` are always there."""
    return {"type": "object", "properties": {**members, **optional}, "required": list(members)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_MESSAGE: Final = _object(
    {
        "type": {"type": "string", "enum": ["INFO", "WARN", "ERROR"]},
        "key": _TEXT,
        "localizedText": _object({"locale": _TEXT, "message": _TEXT}),
        "parameters": {"type": "array", "items": {"type": "object"}},
    }
)
_TARGET: Final = {
    **_object(
        {
            "id": _TEXT,
            "type": {"type": ["string", "null"], "enum": ["APPLICATION", "IDENTITY", None]},
            "name": _TEXT,
        }
    ),
    "type": ["object", "null"],
}
_DEFINITION: Final = _object(
    {
        "id": _ID,
        "uniqueName": _TEXT,
        "description": _TEXT,
        "parentName": _TEXT,
        "executor": _TEXT,
        "arguments": {"type": "object", "additionalProperties": _TEXT},
    }
)
_STATUS: Final = _object(
    {
        "id": _ID,
        "type": {"type": "string", "enum": ["QUARTZ", "QPOC", "QUEUED_TASK"]},
        "uniqueName": _TEXT,
        "description": _TEXT,
        "parentName": _NULLABLE,
        "launcher": _TEXT,
        "target": _TARGET,
        "created": _TIME,
        "modified": _TIME,
        "launched": _NULLABLE_TIME,
        "completed": _NULLABLE_TIME,
        "completionStatus": {
            "type": ["string", "null"],
            "enum": [*vocabulary.TITLE_CASE, *vocabulary.TITLE_CASE.values(), None],
            "description": "Upper case; title case in `/beta`. null: not finished.",
        },
        "messages": {"type": "array", "items": _MESSAGE},
        "returns": {
            "type": "array",
            "items": _object({"name": _TEXT, "attributeName": _TEXT}),
        },
        "attributes": {"type": "object"},
        "progress": _NULLABLE,
        "percentComplete": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    taskDefinitionSummary=_DEFINITION,
)
_LINE: Final = _object(
    {"locale": _NULLABLE, "localeOrigin": {"type": ["string", "null"]}, "text": _TEXT}
)
_ERROR: Final = _object(
    {
        "detailCode": _TEXT,
        "trackingId": _ID,
        "messages": {"type": "array", "items": _LINE},
        "causes": {"type": "array", "items": _LINE},
    }
)
_OPERATION: Final = {
    "type": "object",
    "properties": {
        "op": {"type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": {"type": "string", "description": "A JSON Pointer."},
        "from": {"type": "string", "description": "A JSON Pointer, for move and copy."},
        "value": {
            "type": ["string", "boolean", "number", "object", "array", "null"],
            "description": "For add, replace and test.",
        },
    },
    "required": ["op", "path"],
}
_SCHEMAS: Final[Schema] = {
    "TaskStatus": _STATUS,
    "Error": _ERROR,
    "Unauthorized": _object({"error": _TEXT}),
    "TooManyRequests": _object({"message": _TEXT}),
    "Operation": _OPERATION,
}


def _answer(description: str, schema: Schema | None, **headers: Schema) -> Schema:
    found: Schema = {"description": description}
    if schema is not None:
        found["content"] = {_JSON: {"schema": schema}}
    if headers:
        found["headers"] = {
            name.replace("_", "-"): {"schema": shape} for name, shape in headers.items()
        }
    return found


_REFUSALS: Final = {
    "400": _answer("What was sent does not fit.", _ref("Error")),
    "401": _answer("No good credential.", _ref("Unauthorized")),
    "403": _answer("The caller may not do this.", _ref("Error")),
    "429": _answer("Too many requests.", _ref("TooManyRequests"), Retry_After=_COUNT),
    "503": _answer("The database does not answer.", _ref("Error"), Retry_After=_COUNT),
}
_NOT_FOUND: Final = {"404": _answer("There is no such task.", _ref("Error"))}
_ID_PARAMETER: Final[Schema] = {
    "name": "task_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
}


def _parameter(name: str, schema: Schema, text: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


_PAGING: Final = [
    _parameter(
        "limit",
        {"type": "integer", "minimum": 0, "maximum": pagination.LARGEST, "default": 250},
        "Tasks of a page.",
    ),
    _parameter(
        "offset",
        {"type": "integer", "minimum": 0, "maximum": pagination.FURTHEST, "default": 0},
        "Tasks to leave out.",
    ),
    _parameter("count", {"type": "boolean", "default": False}, "Send `X-Total-Count`."),
]


def _operation(version: Version, name: str, summary: str, **more: Any) -> Schema:
    return {
        "operationId": f"{name}_{version.name}",
        "summary": summary,
        "tags": [version.name],
        "security": [{"bearer": []}, {"basic": []}],
        **more,
    }


def _list(version: Version) -> Schema:
    table = "; ".join(
        f"**{field}**: {', '.join(operators)}" for field, operators in version.operators.items()
    )
    chosen = [
        _parameter(
            "filters",
            _TEXT,
            f'`completionStatus eq "ERROR" and not type in ("REINDEX")`. {table}. At most '
            f"{filters.MOST_TESTS} tests and {filters.MOST_VALUES} values.",
        ),
        _parameter("sorters", _TEXT, "`created` or `-created`, which is the default."),
    ]
    page = _answer(
        "A page, newest first.",
        {"type": "array", "items": _ref("TaskStatus")},
        X_Total_Count=_COUNT,
    )
    return _operation(
        version,
        "list",
        "List tasks of all states",
        parameters=[*_PAGING, *chosen],
        responses={"200": page, **_REFUSALS},
    )


def _pending(version: Version, method: str) -> Schema:
    schema = {"type": "array", "items": _ref("TaskStatus")} if method == "get" else None
    page = _answer("A page.", schema, X_Total_Count=_COUNT, X_Deprecated={"const": "true"})
    refusals = _REFUSALS
    if method == "head":
        refusals = {
            status: {"description": refusal["description"]} for status, refusal in _REFUSALS.items()
        }
    return _operation(
        version,
        f"{method}_pending",
        "List tasks that have not finished",
        deprecated=True,
        parameters=_PAGING,
        responses={"200": page, **refusals},
    )


def _one(version: Version) -> Schema:
    shown = _answer("The task.", _ref("TaskStatus"), ETag=_TEXT)
    return {
        "get": _operation(
            version,
            "get",
            "Show a task",
            parameters=[_ID_PARAMETER],
            responses={"200": shown, **_REFUSALS, **_NOT_FOUND},
        ),
        "patch": _operation(
            version,
            "patch",
            "Say how a task has ended",
            description=(
                "`/completionStatus`, in any letter case, and beside it `/completed`; nothing else "
                f"can be changed. At most {patch.MOST_OPERATIONS} operations, all or none."
            ),
            parameters=[
                _ID_PARAMETER,
                {
                    "name": "If-Match",
                    "in": "header",
                    "schema": _TEXT,
                    "description": "The `ETag` of the task as it is known.",
                },
            ],
            requestBody={
                "required": True,
                "content": {
                    patch.MEDIA_TYPE: {
                        "schema": {
                            "anyOf": [
                                {"type": "array", "items": _ref("Operation")},
                                _object(
                                    {"operations": {"type": "array", "items": _ref("Operation")}}
                                ),
                            ]
                        },
                        "example": [
                            {"op": "replace", "path": patch.STATUS, "value": "TERMINATED"},
                            {
                                "op": "replace",
                                "path": patch.COMPLETED,
                                "value": "2026-03-04T09:00:00.000Z",
                            },
                        ],
                    }
                },
            },
            responses={
                "200": shown,
                **_REFUSALS,
                **_NOT_FOUND,
                "412": _answer("The task has changed meanwhile.", _ref("Error")),
            },
        ),
    }


def _paths() -> Schema:
    found: Schema = {}
    for version in VERSIONS:
        base = f"/{version.path}"
        found[base] = {"get": _list(version)}
        if version.pending:
            found[f"{base}/pending-tasks"] = {
                method: _pending(version, method) for method in ("get", "head")
            }
        found[f"{base}/{{task_id}}"] = _one(version)
    return found


DOCUMENT: Final[Schema] = {
    "openapi": "3.1.0",
    "info": {
        "title": _TITLE,
        "version": VERSION,
        "description": (
            "Runs as SailPoint's task-status. The header `X-Account-Id` chooses another account "
            "than the caller's own. Tokens come from `POST /oauth/token`."
        ),
    },
    "paths": _paths(),
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic"},
        },
    },
}


class Document(Written):
    """The document, where it is served."""

    document = DOCUMENT
