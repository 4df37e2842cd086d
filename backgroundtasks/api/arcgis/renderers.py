"""
The three formats: JSON, indented JSON, and the pages of the HTML directory.

A page is a template and its context; templates are in `templates/arcgis/`, and get:

    `trail`        breadcrumb: `Step`s from the root to here
    `heading`      of the page
    `text`         one sentence about it
    `signed_in_as` user name; None
    `token`        for the hidden field of every form
    `properties`   `Property`s of a resource
    `links`        `Shown`s: what it lists, and the resources below
    `operations`   `Shown`s
    `formats`      `Shown`s: the same as JSON
    `form`         `Form` of an operation, or to sign in (then without a choice of formats)
    `error`        what was refused; None
    `sign_in`, `sign_out`, `reference`  addresses
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from backgroundtasks.api.arcgis.resource import Call, Link, Operation, href
from backgroundtasks.handlers import secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from backgroundtasks.api.arcgis.errors import Refusal
    from backgroundtasks.api.arcgis.forms import Field
    from backgroundtasks.api.arcgis.resource import Body

JSON: Final = "application/json; charset=utf-8"
#: Members that hold milliseconds since 1970: shown as times.
_TIMES: Final = frozenset(
    {"created", "updated", "modified", "lastStart", "startDate", "endDate", "nextStart"}
    | {"started", "finished", "retentionDate", "completeTime", "startTime", "starttime"}
    | {"endtime", "updatedtime", "lastUpdated"}
)
#: What is smaller is no time, but a place in a list.
_FIRST_TIME: Final = 1_000_000_000_000
#: Within JSON that somebody typed, whole or not.
_PASSCODE: Final = re.compile(r'("passcode"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.IGNORECASE)
#: Nothing from elsewhere, no script, in no frame; forms go nowhere else.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the breadcrumb."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A link as the page has it."""

    name: str
    href: str
    note: str = ""
    #: Of an operation: it cannot be undone.
    destructive: bool = False
    extension: bool = False


@dataclass(frozen=True, slots=True)
class Property:
    """One member of a resource."""

    name: str
    text: str
    #: It is JSON: shown as it is written.
    is_json: bool = False
    #: It is a time: `text` is UTC, this is ISO 8601.
    moment: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent to an operation."""

    action: str
    #: On the button.
    submit: str
    fields: Sequence[Field]
    destructive: bool = False
    #: The answer may be had as JSON.
    has_formats: bool = True


def as_json(body: object, wanted: str) -> HttpResponse:
    """Return an answer in `json` or `pjson`; always 200, whatever it says."""
    if wanted == "pjson":
        text = json.dumps(body, ensure_ascii=False, indent=2)
    else:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    raw = text.encode("utf-8", "replace")
    answer = HttpResponse(raw, content_type=JSON, headers={"Content-Length": str(len(raw))})
    answer["Cache-Control"] = "no-store"
    return answer


def resource_page(call: Call, body: Body) -> HttpResponse:
    """Return the page of a resource."""
    resource = call.resource
    links = [
        *(_shown(link) for link in resource.links(call, body)),
        *(_shown(Link(name, _below(call.path, name))) for name in call.children()),
    ]
    return _page(
        "arcgis/resource.html",
        {
            **_surroundings(call),
            "heading": _title(call, body),
            "text": resource.text,
            "properties": [_property(name, body[name]) for name in _members(call, body)],
            "links": links,
            "operations": [
                Shown(
                    operation.title,
                    href(_below(call.path, operation.name)),
                    operation.text,
                    destructive=operation.destructive,
                    extension=operation.extension,
                )
                for operation in resource.operations
            ],
            "formats": _formats(call.request),
        },
    )


def form_page(call: Call, operation: Operation, error: Refusal | None = None) -> HttpResponse:
    """Return the page with an operation's form; after a refusal with what was sent."""
    fields = operation.fields(call)
    if error is not None:
        fields = [_as_sent(call, field) for field in fields]
    path = _below(call.path, operation.name)
    context = {
        **_surroundings(call),
        "heading": operation.title,
        "text": operation.text,
        "error": error,
        "form": Form(href(path), operation.title, fields, operation.destructive),
    }
    context["trail"] = [*context["trail"], Step(operation.title, href(path))]
    return _page("arcgis/operation.html", context, status=400 if error else 200)


def error_page(request: HttpRequest, error: Refusal) -> HttpResponse:
    """Return the page of a refusal; what is sent by POST has no status that is repeated."""
    context = {"heading": "Error", "error": error, "trail": [Step("Home", href(""))]}
    known = {400: 400, 403: 403, 404: 404, 405: 405, 498: 403, 499: 403}
    status = known.get(error.code, 400 if request.method == "POST" else error.code)
    return _page("arcgis/error.html", context, status=status)


def sign_in_page(fields: Sequence[Field], error: Refusal | None = None) -> HttpResponse:
    """Return the page to sign in on."""
    context = {
        "heading": "Sign in",
        "error": error,
        "trail": [Step("Home", href(""))],
        "form": Form(href("login"), "Sign in", fields, has_formats=False),
    }
    return _page("arcgis/sign_in.html", context, status=403 if error else 200)


def token_page(
    request: HttpRequest, fields: Sequence[Field], body: Body | None = None
) -> HttpResponse:
    """Return the page of `generateToken`: its form, or the token."""
    context = {
        "heading": "Generate Token",
        "trail": [],
        "form": Form(request.path, "Generate Token", fields),
        "properties": [
            Property(name, value if isinstance(value, str) else json.dumps(value))
            for name, value in (body or {}).items()
        ],
    }
    return _page("arcgis/sign_in.html", context)


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the page to sign in on, and back afterwards."""
    return see_other(f"{href('login')}?{urlencode({'redirect': request.path})}")


def see_other(address: str) -> HttpResponse:
    """Lead elsewhere by GET."""
    answer = HttpResponseRedirect(address, headers={"Cache-Control": "no-store"})
    answer.status_code = 303
    return answer


def _page(template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    around = {"sign_in": href("login"), "sign_out": href("logout"), "reference": _reference()}
    # Without the request: what projects add to pages of their own has no place here.
    answer = HttpResponse(render_to_string(template, {**around, **context}), status=status)
    answer["Content-Security-Policy"] = _POLICY
    answer["X-Frame-Options"] = "DENY"
    # It holds the token.
    answer["Cache-Control"] = "no-store"
    answer["Referrer-Policy"] = "same-origin"
    return answer


def _surroundings(call: Call) -> dict[str, Any]:
    """Return what every page of somebody who is signed in has."""
    trail = [Step("Home", href(""))]
    path = ""
    for part in filter(None, call.path.split("/")):
        path = _below(path, part)
        trail.append(Step(part, href(path)))
    return {
        "trail": trail,
        "signed_in_as": call.caller.user.get_username(),
        "token": call.caller.token,
        "error": None,
    }


def _reference() -> str | None:
    try:
        return reverse("arcgis-docs")
    except NoReverseMatch:  # without drf-spectacular
        return None


def _formats(request: HttpRequest) -> list[Shown]:
    kept = {name: request.GET[name] for name in request.GET if name not in {"f", "token"}}
    return [
        Shown(name, f"{request.path}?{urlencode({**kept, 'f': name})}")
        for name in ("json", "pjson")
    ]


def _title(call: Call, body: Body) -> str:
    resource = call.resource
    if resource.title is not None:
        return resource.title(call, body)
    return call.path.rpartition("/")[2] or "Home"


def _members(call: Call, body: Body) -> list[str]:
    hidden = {"operations", "resources", *call.resource.listed}
    return [name for name in body if name not in hidden]


def _property(name: str, value: Any) -> Property:
    if name in _TIMES and type(value) is int and value > _FIRST_TIME:
        at = datetime.fromtimestamp(value / 1000, UTC)
        return Property(
            name, f"{at:%Y-%m-%d %H:%M:%S} UTC", moment=at.isoformat(timespec="milliseconds")
        )
    if isinstance(value, dict | list):
        return Property(name, json.dumps(value, ensure_ascii=False, indent=2), is_json=True)
    if isinstance(value, str):
        return Property(name, value)
    return Property(name, json.dumps(value))


def _as_sent(call: Call, field: Field) -> Field:
    """Return a field with what was sent for it; a secret is not sent back."""
    sent = None if field.widget == "password" else call.given.text(field.name)
    return field if sent is None else field.showing(_PASSCODE.sub(rf'\1"{secrets.MASK}"', sent))


def _shown(link: Link) -> Shown:
    return Shown(link.name, href(link.path), link.note)


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
