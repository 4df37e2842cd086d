"""The two answers that every client waits for: how a run stands, and that one was accepted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from django.http import HttpResponse

from backgroundtasks.api.enterprise_tester import progress_stream
from backgroundtasks.api.enterprise_tester.rendering import CONTENT_TYPE, dumps, wants_indent
from backgroundtasks.api.enterprise_tester.started import represented, snapshot
from backgroundtasks.api.enterprise_tester.starting import Wish, read_wish
from backgroundtasks.api.enterprise_tester.vocabulary import Run, etag

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from backgroundtasks.handlers import Actor

#: From one poll to the next, in seconds, as far as we can say.
RETRY_AFTER: Final = "1"
_CACHING: Final = "private, no-cache"


def shown(request: HttpRequest, run: Run) -> HttpResponse:
    """Return a run's representation; 304 when the client has it."""
    tag = etag(run)
    headers = {"ETag": tag, "Cache-Control": _CACHING}
    if not run.is_final:
        headers["Retry-After"] = RETRY_AFTER
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known is not None and _matches(known, tag):
        return HttpResponse(status=304, headers=headers)
    body = dumps(represented(request, run), indented=wants_indent(request))
    headers["Content-Length"] = str(len(body))
    return HttpResponse(body, content_type=CONTENT_TYPE, headers=headers)


def _matches(known: str, tag: str) -> bool:
    """Return whether `If-None-Match` names this tag; weak and strong ones compare alike."""
    opaque = tag.removeprefix("W/")
    return any(
        candidate.strip().removeprefix("W/") in {opaque, "*"} for candidate in known.split(",")
    )


def accepted(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Start what the body asks for, and return 202 with the run, at once or as it happens."""
    wish = read_wish(request)
    if wish.streamed:
        return _streamed(request, actor, wish)
    submission = wish.submit(actor)
    answer = represented(request, snapshot(actor, submission))
    body = dumps(answer, indented=wants_indent(request))
    return HttpResponse(
        body,
        status=202,
        content_type=CONTENT_TYPE,
        headers={"Location": answer["Self"], "Content-Length": str(len(body))},
    )


def _streamed(request: HttpRequest, actor: Actor, wish: Wish) -> HttpResponseBase:
    """Start it and stay: without a place for the stream nothing is started."""
    place = progress_stream.reserve()
    try:
        run = snapshot(actor, wish.submit(actor))
        represent = partial(represented, request)
        answer = progress_stream.json_array(place, run, represent)
        answer["Location"] = represent(run)["Self"]
    except BaseException:
        place.close()
        raise
    return answer
