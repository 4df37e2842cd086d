"""The OpenAPI document of this dialect, made of the description of its resources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from backgroundtasks import VERSION, conf
from backgroundtasks.api.arcgis import sign_in, vocabulary
from backgroundtasks.api.arcgis.forms import FORMATS, Field
from backgroundtasks.api.arcgis.resources import RESOURCES
from backgroundtasks.api.schema_views import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from backgroundtasks.api.arcgis.resource import Call, Operation, Resource

Schema = dict[str, Any]

_TITLE: Final = "Task center: ArcGIS administrator API"
SETTINGS: Final[Schema] = {"TITLE": _TITLE}
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_HTML: Final = "text/html"

_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}
_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_TIME: Final[Schema] = {**_COUNT, "description": "Milliseconds since 1970."}
_WIDGETS: Final[dict[str, Schema]] = {"number": {"type": "integer"}, "checkbox": _FLAG}
_PART: Final = re.compile(r"<(?:\w+:)?(\w+)>")


def _object(members: Schema, **optional: Schema) -> Schema:
    """Return an object whose `members` are always there."""
    return {"type": "object", "properties": {**members, **optional}, "required": [*members]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _words(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(dict.fromkeys(words))}


def _page_of(item: str, *names: str) -> Schema:
    rows = {name: {"type": "array", "items": _ref(item)} for name in names}
    return _object({**rows, **dict.fromkeys(("total", "num", "start", "nextStart"), _COUNT)})


_TASK: Final = _object(
    {
        "id": _ID,
        "taskId": _ID,
        "taskTitle": _TEXT,
        "title": _TEXT,
        "taskType": _TEXT,
        "type": _TEXT,
        "taskState": _words(vocabulary.TASK_STATE.values()),
        "active": _FLAG,
        "maxOccurrences": {"type": "integer", "minimum": vocabulary.UNLIMITED},
        "generation": _COUNT,
        "created": _TIME,
        "updated": _TIME,
        "owner": _TEXT,
        "ownerId": _ID,
        "orgId": {"type": "string", "pattern": "^[0-9A-F]{16}$"},
    },
    cronSchedule=_object(dict.fromkeys(vocabulary.CRON_FIELDS, _TEXT)),
    cronExpression=_TEXT,
    cronDescription=_TEXT,
    runIntervalSeconds=_COUNT,
    startDate=_TIME,
    endDate=_TIME,
    lastStart=_TIME,
    nextStart=_TIME,
    problem=_TEXT,
    itemId={"type": "string", "format": "uuid"},
    parameters={"type": "object", "description": "Secrets are shown as `********`."},
)
_RUN: Final = _object(
    {
        "runId": _ID,
        "id": _ID,
        "taskId": _ID,
        "status": _words(vocabulary.RUN_STATUS.values()),
        "result": _TEXT,
        "url": _TEXT,
        "created": _TIME,
        "modified": _TIME,
        "percentComplete": {"type": "integer", "minimum": 0, "maximum": 100},
        "task": _ref("Task"),
    },
    started=_TIME,
    finished=_TIME,
)
_DONE: Final = _object(
    {"status": {"const": "success"}, "success": {"const": True}, "taskId": _ID, "id": _ID},
    runId=_ID,
)
_ERROR: Final = _object(
    {
        "error": _object(
            {"code": _COUNT, "message": _TEXT, "details": {"type": "array", "items": _TEXT}}
        )
    }
)
_SCHEMAS: Final[Schema] = {
    "Done": _DONE,
    "Error": _ERROR,
    "Overview": _object(
        {
            "operations": {"type": "array", "items": _TEXT},
            "resources": {"type": "array", "items": _TEXT},
        }
    ),
    "Root": _object(
        {
            "fullVersion": _TEXT,
            "currentVersion": _TEXT,
            "resources": {"type": "array", "items": _TEXT},
            "status": _TEXT,
        }
    ),
    "Task": _TASK,
    "TaskPage": _page_of("Task", "result"),
    "Run": _RUN,
    "RunPage": _page_of("Run", "result", "runs"),
    "Token": _object({"token": _TEXT, "expires": _TIME, "ssl": _FLAG}),
}
#: Path to the schema of what it says; others are objects that their pages describe.
_SAID: Final = {
    "": "Root",
    "system": "Overview",
    "system/tasks": "TaskPage",
    "system/tasks/<str:task_id>": "Task",
    "system/tasks/<str:task_id>/runs": "RunPage",
    "system/tasks/<str:task_id>/runs/<str:run_id>": "Run",
}

_TASKS: Final = "system/tasks"

_FORMAT: Final = Field(
    "f", "Format", "select", choices=tuple((name, name) for name in FORMATS), value=FORMATS[0]
)
_TOKEN: Final = Field("token", "Token", help="In place of a header.")


def _answers(said: Schema, *, leads_on: bool = True) -> Schema:
    """Return the answers of a path: JSON is always 200, pages have statuses of their own."""
    page: Schema = {_HTML: {"schema": _TEXT}}
    found: Schema = {
        "200": {
            "description": "What was asked for, or an error: `f=html` is a page.",
            "content": {_JSON: {"schema": {"anyOf": [said, _ref("Error")]}}, **page},
        }
    }
    if leads_on:
        found["303"] = {"description": "`f=html`: to the page to sign in on, or to the result."}
    refusals = {"400": "does not fit", "403": "is not allowed", "404": "is not there"}
    for status, text in refusals.items():
        found[status] = {"description": f"`f=html`: a page, what was asked for {text}."}
        found[status]["content"] = page
    return found


def _schema_of(field: Field) -> Schema:
    shape = dict(_WIDGETS.get(field.widget, _TEXT))
    if field.choices:
        shape["enum"] = [value for value, _ in field.choices]
    return shape


def _in_query(fields: Sequence[Field]) -> list[Schema]:
    return [
        {
            "name": field.name,
            "in": "query",
            "schema": _schema_of(field),
            **({"description": field.help} if field.help else {}),
        }
        for field in fields
    ]


def _in_path(path: str) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PART.findall(path)
    ]


def _form(fields: Sequence[Field]) -> Schema:
    every = [*fields, _FORMAT, _TOKEN]
    schema: Schema = {
        "type": "object",
        "properties": {
            field.name: {
                **_schema_of(field),
                **({"description": field.help} if field.help else {}),
            }
            for field in every
        },
    }
    required = [field.name for field in every if field.required]
    if required:
        schema["required"] = required
    return {"content": {_FORM: {"schema": schema}}, "required": bool(required)}


def _fields(operation: Operation) -> Sequence[Field]:
    """Return what an operation takes, whoever asks."""
    return operation.takes or operation.fields(cast("Call", None))


def _named(method: str, path: str) -> str:
    words = re.split(r"\W+", _PART.sub(r"one_\1", path))
    return "_".join([method, *filter(None, words)])


def _of(resource: Resource) -> Schema:
    """Return the paths of a resource and its operations."""
    root = f"/{conf.ARCGIS_CONTEXT}/admin"
    path = _PART.sub(r"{\1}", f"{root}/{resource.path}".rstrip("/"))
    said = _ref(_SAID[resource.path]) if resource.path in _SAID else {"type": "object"}
    done = _ref("Done") if resource.path.startswith(_TASKS) else {"type": "object"}
    parts = _in_path(resource.path)
    about = {"tags": [resource.path.split("/")[0] or "root"]}
    needs = f"Needs: {resource.access.name}."
    found: Schema = {
        path: {
            "get": {
                "operationId": _named("get", resource.path or "root"),
                "summary": resource.text or resource.name.strip("<>"),
                "description": needs,
                **about,
                "parameters": [*parts, *_in_query([*resource.fields, _FORMAT, _TOKEN])],
                "responses": _answers(said),
            },
            "post": {
                "operationId": _named("query", resource.path or "root"),
                "summary": "The same, for parameters that are too long for a URL.",
                **about,
                "parameters": parts,
                "requestBody": _form(resource.fields),
                "responses": _answers(said),
            },
        }
    }
    for operation in resource.operations:
        text = f"{operation.text} {needs}".strip()
        if operation.extension:
            text = f"{text} An extension."
        name = f"{resource.path}/{operation.name}"
        found[f"{path}/{operation.name}"] = {
            "get": {
                "operationId": _named("form", name),
                "summary": f"The form: {operation.title}",
                **about,
                "parameters": [*parts, *_in_query([_FORMAT, _TOKEN])],
                "responses": _answers(_ref("Error")),
            },
            "post": {
                "operationId": _named("post", name),
                "summary": operation.title,
                "description": text,
                **about,
                "parameters": parts,
                "requestBody": _form(_fields(operation)),
                "responses": _answers(done),
            },
        }
    return found


def _sharing() -> Schema:
    """Return the paths of the sharing API."""
    root = f"/{conf.ARCGIS_CONTEXT}/sharing/rest"
    about = {"tags": ["sharing"]}
    found: Schema = {
        f"{root}/generateToken": {
            "get": {
                "operationId": "form_generateToken",
                "summary": "The form: Generate Token",
                **about,
                "parameters": _in_query([_FORMAT]),
                "responses": _answers(_ref("Error"), leads_on=False),
                "security": [],
            },
            "post": {
                "operationId": "generateToken",
                "summary": "Generate Token",
                "description": "A user's name and password for a token; not in the query string.",
                **about,
                "requestBody": _form(sign_in.FIELDS),
                "responses": _answers(_ref("Token"), leads_on=False),
                "security": [],
            },
        }
    }
    for path in ("", "info", "portals/self", "community/self", "community/users/<str:username>"):
        parts = _in_path(path)
        shown = _PART.sub(r"{\1}", f"{root}/{path}".rstrip("/"))
        found[shown] = {
            method: {
                "operationId": _named(f"{method}_sharing", path),
                "summary": f"What clients ask for while they log in: {path or 'the version'}.",
                **about,
                "parameters": [*parts, *(_in_query([_FORMAT, _TOKEN]) if method == "get" else [])],
                **({"requestBody": _form(())} if method == "post" else {}),
                "responses": {
                    "200": {
                        "description": "JSON, in every format; or an error.",
                        "content": {
                            _JSON: {"schema": {"anyOf": [{"type": "object"}, _ref("Error")]}}
                        },
                    }
                },
            }
            for method in ("get", "post")
        }
    return found


def document() -> Schema:
    """Return the document."""
    paths: Schema = {}
    for resource in RESOURCES:
        paths |= _of(resource)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": VERSION,
            "description": (
                "ArcGIS Enterprise's administrator API. JSON answers are always 200; an error is an "
                "object with the one member `error`. A POST needs a token in body, query or header. "
                "The header `X-Account-Id` chooses another account than the installation's own."
            ),
        },
        "paths": {**paths, **_sharing()},
        "security": [{"bearer": []}, {"esri": []}, {"token": []}],
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "esri": {"type": "apiKey", "in": "header", "name": "X-Esri-Authorization"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


class Document(Written):
    """The document, where it is served."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:  # noqa: FBT001, FBT002 - its base's signature
        """Return the document; task types are those that apps have."""
        return document()
