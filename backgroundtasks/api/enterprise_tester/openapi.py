"""
What the resources of this dialect take and answer, as OpenAPI 3.1.

An app describes its resources in `<app>/api/openapi.py`, which is imported when the document
is made:

    kit.component("Project", kit.entity({"Id": kit.GUID, "Name": kit.TEXT}))
    kit.describe(Projects, "get", {200: kit.page_of("Project")}, query=kit.ODATA)
    kit.describe(Projects, "post", {201: kit.ref("Project")}, body=ProjectWrite, refusals=(409,))

Summaries come from the methods' docstrings. What every resource can answer (401, 403, 429, 503; 404
below an id; 400, 411, 413, 415 with a body) is added by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from django.utils.module_loading import autodiscover_modules
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from backgroundtasks import VERSION
from backgroundtasks.api import json_schema

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer
    from rest_framework.views import APIView

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NULLABLE_TEXT: Final[Schema] = {"type": ["string", "null"]}
GUID: Final[Schema] = {"type": "string", "format": "uuid"}
NULLABLE_GUID: Final[Schema] = {"type": ["string", "null"], "format": "uuid"}
MOMENT: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "description": "UTC, whole seconds: `2024-03-05T08:15:42Z`.",
}
NULLABLE_MOMENT: Final[Schema] = {**MOMENT, "type": ["string", "null"]}
URL: Final[Schema] = {"type": "string", "format": "uri"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
WHOLE: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
OBJECT: Final[Schema] = {"type": "object"}

JSON: Final = "application/json"


def ref(name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(item: Schema) -> Schema:
    """Return an array."""
    return {"type": "array", "items": item}


def entity(
    properties: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None
) -> Schema:
    """Return an object whose `properties` are always there; the `optional` ones may be."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def partial(serializer: type[Serializer[Any]]) -> Schema:
    """Return the body of a change: what is left out stays as it is."""
    schema = json_schema.of_serializer(serializer(), closed=False)
    schema.pop("required", None)
    return schema


def page_of(name: str) -> Schema:
    """Return the envelope of a page of a component."""
    return entity(
        {"Skip": COUNT, "Top": COUNT, "Items": array_of(ref(name))}, optional={"Total": COUNT}
    )


def parameter(name: str, schema: Schema, description: str, *, where: str = "query") -> Schema:
    """Return a parameter that may be left out."""
    return {"name": name, "in": where, "schema": schema, "description": description}


def skip(most: int = 2**31 - 1) -> Schema:
    """Return the parameter `$skip`."""
    schema = {"type": "integer", "minimum": 0, "maximum": most}
    return parameter("$skip", schema, "Items to leave out.")


_PAGE: Final = (
    parameter("$top", {"type": "integer", "minimum": 0, "maximum": 1000}, "Items of a page: 25."),
    parameter(
        "$inlinecount", {"type": "string", "enum": ["allpages", "none"]}, "Whether to count all."
    ),
)
_CHOICE: Final = (
    parameter("$filter", TEXT, "`Name eq 'x'`, `substringof('x', Name)`, `and`, `or`, `not`."),
    parameter("$orderby", TEXT, "`Name desc`."),
)
PAGING: Final = (*_PAGE, skip())
ODATA: Final = (*PAGING, *_CHOICE)
#: Of collections whose pages follow each other by `NextLink`.
KEYSET_PAGING: Final = (*_PAGE, skip(10_000), parameter("$skiptoken", TEXT, "From `NextLink`."))
KEYSET_ODATA: Final = (*KEYSET_PAGING, *_CHOICE)
EXPAND: Final = parameter("$expand", TEXT, "Names from `Expands`, separated by commas.")
TQL: Final = parameter("tql", TEXT, "A TQL query.")
IDEMPOTENCY_KEY: Final = parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "A repetition with the same key and body is answered with the first one's run, for 24 hours.",
    where="header",
)


@dataclass(frozen=True, slots=True)
class _Operation:
    answers: Mapping[int, Schema | None]
    body: Schema | None
    kinds: tuple[str, ...]
    body_required: bool
    query: tuple[Schema, ...]
    refusals: tuple[int, ...]
    answer_kind: str


_operations: dict[tuple[type[Any], str], _Operation] = {}
_components: dict[str, Schema] = {
    "Error": {**entity({"Message": TEXT}), "description": "What went wrong, for people."},
    "Link": entity({"Href": URL, "Rel": TEXT}, optional={"Title": NULLABLE_TEXT}),
}


def component(name: str, schema: Schema) -> None:
    """Name a schema, so that `ref` can point at it."""
    _components[name] = schema


def describe(
    view: type[APIView],
    method: str,
    answers: Mapping[int, Schema | None],
    *,
    body: type[Serializer[Any]] | Schema | None = None,
    kinds: Iterable[str] = (JSON,),
    body_required: bool = True,
    query: Iterable[Schema] = (),
    refusals: Iterable[int] = (),
    answer_kind: str = JSON,
) -> None:
    """
    Say what a method takes and answers.

    Args:
        view: The resource.
        method: In lower case: `get`.
        answers: Status to schema of what is not a refusal; None for no body.
        body: A serializer, or a schema; None for a method without a body.
        kinds: Media types of the body.
        body_required: It may not be left out.
        query: Parameters beside the path's.
        refusals: Further statuses, answered as `Error`.
        answer_kind: Media type of the answers.
    """
    shape = json_schema.of_serializer(body(), closed=False) if isinstance(body, type) else body
    _operations[view, method] = _Operation(
        answers, shape, tuple(kinds), body_required, tuple(query), tuple(refusals), answer_kind
    )


class ResourceSchema(AutoSchema):
    """An operation from its description; drf-spectacular finds the paths."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> Schema | None:
        """Return the operation; None for a method that nobody described."""
        known = _operations.get((type(self.view), method.lower()))
        if known is None:
            return None
        words = cleandoc(getattr(self.view, method.lower()).__doc__ or "")
        summary, _, text = words.partition("\n")
        operation: Schema = {
            "operationId": f"{type(self.view).__name__}_{method.lower()}",
            "summary": summary.rstrip("."),
            "tags": [path.strip("/").split("/")[1] if path.count("/") > 1 else "root"],
            "parameters": [*_path_parameters(path), *known.query],
            "security": [{"bearer": []}, {"basic": []}],
            "responses": _responses(known, has_id="{" in path),
        }
        if text.strip():
            operation["description"] = text.strip()
        if known.body is not None:
            operation["requestBody"] = {
                "required": known.body_required,
                "content": {kind: {"schema": known.body} for kind in known.kinds},
            }
        return operation


def _path_parameters(path: str) -> list[Schema]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": GUID if name.endswith("_id") and name != "public_id" else TEXT,
        }
        for name in names
    ]


def _responses(known: _Operation, *, has_id: bool) -> Schema:
    refusals = {401, 403, 429, 503, *known.refusals}
    if has_id:
        refusals.add(404)
    if known.body is not None:
        refusals |= {400, 411, 413, 415}
    found: Schema = {}
    for status, schema in known.answers.items():
        found[str(status)] = {"description": _phrase(status)}
        if schema is not None:
            found[str(status)]["content"] = {known.answer_kind: {"schema": schema}}
        if status in {201, 202}:
            found[str(status)]["headers"] = {
                "Location": {"schema": URL, "description": "Equal to `Self`.", "required": True}
            }
    for status in sorted(refusals):
        found[str(status)] = {
            "description": _phrase(status),
            "content": {JSON: {"schema": ref("Error")}},
        }
    return found


class Generator(SchemaGenerator):
    """The document of what is below `/api`, with the components that were named."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:  # noqa: FBT001, FBT002 - its base's signature
        """Return the document; descriptions of all apps are read first."""
        autodiscover_modules("api.openapi")
        from backgroundtasks.api.enterprise_tester import described  # noqa: F401, PLC0415 - reads the core's own

        schema = super().get_schema(request, public)  # type: ignore[no-untyped-call]
        schema["components"] = {
            "schemas": dict(sorted(_components.items())),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `POST /oauth/token` or `manage.py issue_token`.",
                },
            },
        }
        # Enumerations and the like become what they are on the wire.
        return json.loads(json.dumps(schema))


def only_ours(endpoints: list[tuple[str, str, str, Any]], **_kwargs: Any) -> list[Any]:
    """Return the endpoints of this dialect."""
    return [endpoint for endpoint in endpoints if endpoint[0].split("/")[1] == "api"]


SETTINGS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Task center: Enterprise Tester API",
    "VERSION": VERSION,
    "DESCRIPTION": (
        "Paths fit in any letter case and with a slash at the end. Errors are "
        '`{"Message": "…"}`. `indent-json=true`, as a query parameter or header, indents the '
        "JSON. The header `X-Account-Id` chooses another account than the caller's own. Members "
        "that are not described here are ignored in requests."
    ),
    "PREPROCESSING_HOOKS": ["backgroundtasks.api.enterprise_tester.openapi.only_ours"],
    "POSTPROCESSING_HOOKS": [],
    "SCHEMA_PATH_PREFIX": "/api",
}


def _phrase(status: int) -> str:
    """Return what a status is called, the same on every Python (3.13 renamed one)."""
    return (
        "Content Too Large"
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else HTTPStatus(status).phrase
    )
