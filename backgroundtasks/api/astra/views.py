"""The two resources of this dialect, and the answers below an account where there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse

from backgroundtasks.api import authentication
from backgroundtasks.api.astra import errors, identities, listing, media, parameters
from backgroundtasks.api.astra.errors import METHOD, Problem
from backgroundtasks.api.astra.representation import COLUMNS, Run, represent
from backgroundtasks.api.errors import NoMember
from backgroundtasks.api.origins import origin
from backgroundtasks.api.statements import KeptStatement

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor

View = Callable[..., HttpResponse]

_statement: Final = KeptStatement(COLUMNS)
_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_METHODS: Final = "GET, HEAD, OPTIONS"


def answered(view: View) -> View:
    """Make every error of a view a problem."""

    @wraps(view)
    def answer(request: HttpRequest, **parts: Any) -> HttpResponse:
        try:
            made = view(request, **parts)
        except Exception as error:  # noqa: BLE001 - every error has its answer
            made = errors.respond(error, request)
        # It is no page that could be framed.
        made.xframe_options_exempt = True
        return made

    # A problem says that there is nothing to write; a cookie's check would come before it.
    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _read_only(view: View) -> View:
    """Refuse what is no reading, whoever asks."""

    @wraps(view)
    def answer(request: HttpRequest, **parts: str) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request, **parts)
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": _METHODS})
        detail = "Tasks can be read here, and nothing else."
        raise Problem(METHOD, detail, headers={"Allow": _METHODS})

    return answer


@answered
@_read_only
def tasks(request: HttpRequest, account_id: str) -> HttpResponse:
    """Return a page of the account's tasks."""
    actor = _reader(request, account_id, errors.collection_not_found)
    kind = media.negotiate(request, media.TASKS)
    wanted = parameters.read(request)
    return _document(request, listing.page(actor, wanted, origin(request)), kind)


def read_task(request: HttpRequest, account_id: str, task_id: str) -> HttpResponse:
    """
    Return one task.

    Raises:
        Problem: it is unknown, of another account, or invisible: one answer for all.
    """
    actor = _reader(request, account_id, errors.not_found)
    kind = media.negotiate(request, media.TASK)
    if request.META.get("QUERY_STRING"):
        parameters.refuse_unknown(request, ())
    run_id = identities.parsed(task_id)
    row = None if run_id is None else _statement.read(actor, run_id)
    if row is None:
        raise errors.not_found()
    return _document(request, represent(Run(*row), origin(request)), kind)


task = answered(_read_only(read_task))


@answered
def elsewhere(request: HttpRequest, account_id: UUID, **_parts: str) -> HttpResponse:
    """
    Answer for the vendor's other resources, which there are none of.

    Its own client asks for one of them after every refusal, to find out whether its token is good.
    """
    _reader(request, str(account_id), errors.not_found)
    raise errors.not_found()


def _reader(request: HttpRequest, account_id: str, missing: Callable[[], Problem]) -> Actor:
    """
    Return who asks, in the account of the path; operators of the installation in any.

    Raises:
        Problem: the account is unknown, or the caller does not belong to it.
    """
    known = identities.is_identifier(account_id)
    try:
        # Whoever has no credential is told so first, whatever the path says.
        actor = authentication.identify(request, account_id if known else "")
    except NoMember:
        raise missing() from None
    if not known:
        raise missing()
    authentication.require_scope(actor, authentication.READ)
    return actor


def _document(request: HttpRequest, body: dict[str, Any], kind: str) -> HttpResponse:
    """Return a document with the digest of its bytes; 304 when the client has it."""
    content = _json.encode(body).encode("utf-8", "replace")
    tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known is not None and _matches(known, tag):
        return HttpResponse(status=304, headers=headers)
    headers["Content-Length"] = str(len(content))
    return HttpResponse(content, content_type=kind, headers=headers)


def _matches(known: str, tag: str) -> bool:
    """Return whether `If-None-Match` names this tag, weak or strong, or any."""
    return any(one.strip().removeprefix("W/") in {tag, "*"} for one in known.split(","))
