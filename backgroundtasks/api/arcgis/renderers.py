"""
The three formats: JSON, indented JSON, and the pages of the HTML directory.

A page is a template of `templates/arcgis/` and its context:

    `trail`        breadcrumb: `Step`s from the root to here
    `heading`      of the page
    `text`         one sentence about it
    `signed_in_as` user name; None
    `token`        for the hidden field of every form
    `notice`       what was done just now
    `error`        `Refusal`; `problems`: its details, with the fields that they are about
    `properties`   `Property`s of a resource
    `rows`         `Row`s of a list
    `links`        `Shown`s: the resources below
    `operations`   `Shown`s: what can be done here
    `formats`      `Shown`s: this address in another format
    `form`         `Form`
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse

from backgroundtasks import VERSION
from backgroundtasks.api.arcgis import notice, typed
from backgroundtasks.api.arcgis.inputs import Form, complaints, grouped
from backgroundtasks.api.arcgis.notice import Notice
from backgroundtasks.api.arcgis.properties import Property, is_working, property_of
from backgroundtasks.api.arcgis.resource import Call, Link, Operation, href

if TYPE_CHECKING:
    from django.http import HttpRequest

    from backgroundtasks.api.arcgis.access import Caller
    from backgroundtasks.api.arcgis.errors import Refusal
    from backgroundtasks.api.arcgis.forms import Field
    from backgroundtasks.api.arcgis.resource import Body, Done

JSON: Final = "application/json; charset=utf-8"
#: Nothing from elsewhere, no script, in no frame; forms go nowhere else. The one style
#: is the directory's own, known by its digest.
_POLICY: Final = (
    "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_AGAIN: Final = "It was not kept: type it again."
_STYLE: Final = "arcgis/directory.css"
#: Of a list: said in words and by links to further pages.
_ENVELOPE: Final = frozenset({"total", "num", "start", "nextStart"})
#: What pages are answered with, whatever the dialect says; a POST has nothing that is repeated.
_STATUS: Final = {400: 400, 403: 403, 404: 404, 405: 405, 498: 403, 499: 403}


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the breadcrumb."""

    name: str
    #: Empty: there is nothing at this path.
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
class Row:
    """One line of a list."""

    name: str
    href: str
    facts: Sequence[Property] = ()


def as_json(body: object, wanted: str) -> HttpResponse:
    """Return an answer in `json` or `pjson`; always 200, whatever it says."""
    if wanted == "pjson":
        text = json.dumps(body, ensure_ascii=False, indent=2)
    else:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    raw = text.encode("utf-8", "replace")
    answer = HttpResponse(raw, content_type=JSON, headers={"Content-Length": str(len(raw))})
    answer["Cache-Control"] = "no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def resource_page(call: Call, body: Body) -> HttpResponse:
    """Return the page of a resource."""
    resource = call.resource
    links = [*resource.links(call, body)]
    children = [_shown(Link(name, _below(call.path, name))) for name in call.children()]
    said = notice.find(call.request)
    has_table = any(link.facts for link in links)
    answer = _page(
        "arcgis/resource.html",
        {
            **_surroundings(call),
            "heading": _title(call, body),
            "text": resource.text,
            "notice": said,
            "address": call.request.get_full_path(),
            "is_working": is_working(body),
            "choice": _choice(call),
            "properties": [property_of(name, body[name]) for name in _members(call, body)],
            "is_list": bool(resource.listed),
            "list_heading": _extent(body),
            "rows": [_row(link) for link in links] if has_table else [],
            "listed": [] if has_table else [_shown(link) for link in links],
            "pages": _pages(call, body),
            "links": children,
            "operations": [
                Shown(
                    operation.title,
                    f"{href(_below(call.path, operation.name))}{_chosen(call)}",
                    destructive=operation.destructive,
                    extension=operation.extension,
                )
                for operation in resource.operations
            ],
            "formats": _formats(call),
        },
    )
    if said:
        notice.take_away(answer)
    return answer


def form_page(
    call: Call,
    operation: Operation,
    body: Body,
    error: Refusal | None = None,
    status: int | None = None,
) -> HttpResponse:
    """Return the page with an operation's form; after a refusal with what was sent."""
    fields = operation.fields(call)
    if error is not None:
        fields = [_as_sent(call, field) for field in fields]
    address = href(_below(call.path, operation.name))
    form = Form(
        address,
        operation.title,
        grouped(fields, error),
        operation.destructive,
        back=href(call.path),
    )
    context = {
        **_surroundings(call),
        "heading": operation.title,
        "text": operation.text,
        # Of one among many it is said which.
        "subject": _title(call, body) if call.resource.name.startswith("<") else "",
        "error": error,
        "problems": complaints(fields, error),
        "form": form,
    }
    context["trail"] = [*context["trail"], Step(operation.name, address)]
    if status is None:
        status = _status(error) if error else 200
    return _page("arcgis/operation.html", context, status)


def done_page(call: Call, operation: Operation, done: Done) -> HttpResponse:
    """Lead to what an operation has made or changed, and say there that it is done."""
    answer = see_other(href(done.then))
    said = Notice(operation.title, str(done.body.get("message", "")))
    notice.leave(answer, call.request, said)
    return answer


def error_page(request: HttpRequest, error: Refusal, caller: Caller | None = None) -> HttpResponse:
    """Return the page of a refusal; the caller is whoever is signed in nevertheless."""
    was_sent = request.method == "POST"
    context = {
        "heading": "Error",
        "error": error,
        "problems": complaints((), error),
        "trail": [Step("Home", href(""))],
        "was_sent": was_sent,
        "sign_in_link": True,
    }
    if caller is not None:
        context |= {"signed_in_as": caller.user.get_username(), "token": caller.token}
    if not was_sent:
        context["sign_in"] = _sign_in(request)
    return _page("arcgis/error.html", context, _status(error, was_sent=was_sent))


def sign_in_page(fields: Sequence[Field], error: Refusal | None = None) -> HttpResponse:
    """Return the page to sign in on."""
    context = {
        "heading": "Sign in",
        "error": error,
        "problems": complaints(fields, error),
        "form": Form(href("login"), "Sign in", grouped(fields, error), has_formats=False),
    }
    return _page("arcgis/sign_in.html", context, 403 if error else 200)


def token_page(
    request: HttpRequest,
    fields: Sequence[Field],
    body: Body | None = None,
    error: Refusal | None = None,
) -> HttpResponse:
    """Return the page of `generateToken`: its form, and the token or why there is none."""
    context = {
        "heading": "Generate Token",
        "error": error,
        "problems": complaints(fields, error),
        "form": Form(request.path, "Generate Token", grouped(fields, error)),
        "properties": [property_of(name, value) for name, value in (body or {}).items()],
    }
    return _page("arcgis/sign_in.html", context, _status(error) if error else 200)


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the page to sign in on, and back afterwards."""
    return see_other(_sign_in(request))


def see_other(address: str) -> HttpResponse:
    """Lead elsewhere by GET."""
    answer = HttpResponseRedirect(address, headers={"Cache-Control": "no-store"})
    answer.status_code = 303
    return answer


def _page(template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    around = {
        "home": href(""),
        "sign_in": href("login"),
        "sign_out": href("logout"),
        "reference": _reference(),
        "version": VERSION,
    }
    # Without the request: what projects add to pages of their own has no place here.
    answer = HttpResponse(render_to_string(template, {**around, **context}), status=status)
    digest = hashlib.sha256(render_to_string(_STYLE).encode()).digest()
    answer["Content-Security-Policy"] = _POLICY.format(style=base64.b64encode(digest).decode())
    answer["X-Frame-Options"] = "DENY"
    answer["X-Content-Type-Options"] = "nosniff"
    # It holds the token.
    answer["Cache-Control"] = "no-store"
    answer["Referrer-Policy"] = "same-origin"
    # A refusal is no news to Django's logger, and a crash has its line.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own flag
    return answer


def _status(error: Refusal, *, was_sent: bool = True) -> int:
    return _STATUS.get(error.code, 400 if was_sent else error.code)


def _surroundings(call: Call) -> dict[str, Any]:
    """Return what every page of somebody who is signed in has."""
    trail = [Step("Home", href(""))]
    known = {resource.path for resource in call.directory}
    path = pattern = ""
    parts = zip(call.path.split("/"), call.resource.path.split("/"), strict=False)
    for part, of_pattern in parts if call.path else ():
        path, pattern = _below(path, part), _below(pattern, of_pattern)
        trail.append(Step(part, href(path) if pattern in known else ""))
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


def _formats(call: Call) -> list[Shown]:
    kept = _kept(call.request)
    return [
        Shown(name, f"{href(call.path)}?{urlencode({**kept, 'f': name})}")
        for name in ("json", "pjson")
    ]


def _title(call: Call, body: Body) -> str:
    resource = call.resource
    if resource.title is not None:
        return resource.title(call, body)
    return call.path.rpartition("/")[2] or "Home"


def _members(call: Call, body: Body) -> list[str]:
    hidden = {"operations", "resources", *call.resource.listed}
    if call.resource.listed:
        hidden |= _ENVELOPE
    return [name for name in body if name not in hidden]


def _choice(call: Call) -> Form | None:
    """Return the form of what can be asked for in reading; paging is links."""
    fields = [field for field in call.resource.fields if field.name not in _ENVELOPE]
    shown = grouped(field.showing(call.given.text(field.name) or field.value) for field in fields)
    return Form(href(call.path), "Show", shown) if fields else None


def _chosen(call: Call) -> str:
    """Return what the forms of a page need to be about the same: `?storeName=offsite`."""
    names = {field.name for field in call.resource.fields} - _ENVELOPE
    kept = {name: text for name, text in _kept(call.request).items() if name in names}
    return f"?{urlencode(kept)}" if kept else ""


def _extent(body: Body) -> str:
    """Return how much of a list there is."""
    total, number = body.get("total"), body.get("num")
    if total is None or number is None:
        return "Listed here"
    return f"{total} in all" if number == total else f"{number} of {total}"


def _pages(call: Call, body: Body) -> list[Shown]:
    """Return links to the further pages of a list."""
    query = _kept(call.request)
    pages = []
    if call.given.word("start") not in {"", "0"}:
        first = {name: value for name, value in query.items() if name != "start"}
        pages.append(Shown("First page", f"?{urlencode(first)}", "first"))
    following = body.get("nextStart", 0)
    if 0 < following <= body.get("total", 0):
        pages.append(Shown("Next page", f"?{urlencode({**query, 'start': following})}", "next"))
    return pages


def _kept(request: HttpRequest) -> dict[str, str]:
    """Return the parameters of an address that its further pages and formats keep."""
    return {name: request.GET[name] for name in request.GET if name not in {"f", "token"}}


def _as_sent(call: Call, field: Field) -> Field:
    """Return a field with what was sent for it; a secret is not sent back."""
    sent = call.given.text(field.name)
    if field.widget == "checkbox":
        return field.showing((sent or "").lower())
    if sent is None:
        return field
    if field.widget == "password":
        return replace(field, help=f"{field.help} {_AGAIN}".strip()) if sent else field
    return field.showing(typed.without_secrets(sent))


def _sign_in(request: HttpRequest) -> str:
    """Return where to sign in, and to come back from."""
    return f"{href('login')}?{urlencode({'redirect': request.path})}"


def _row(link: Link) -> Row:
    facts = [property_of(name, value) for name, value in link.facts.items()]
    return Row(link.name, href(link.path), facts)


def _shown(link: Link) -> Shown:
    return Shown(link.name, href(link.path), link.note)


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
