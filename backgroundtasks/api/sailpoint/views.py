"""The resources of every version: a list, one, and what is pending."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpResponse

from backgroundtasks import conf
from backgroundtasks.api import authentication, origins, throttle
from backgroundtasks.api.sailpoint import errors, listing, patch, reading
from backgroundtasks.api.sailpoint.vocabulary import etag, represent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from backgroundtasks.api.sailpoint.listing import Page
    from backgroundtasks.api.sailpoint.versions import Version
    from backgroundtasks.api.sailpoint.vocabulary import Row, Said
    from backgroundtasks.handlers import Actor

    #: Takes who asks, the request, and the parts of its path.
    Method = Callable[..., HttpResponse]

_RATE_WINDOW: Final = timedelta(seconds=10)
_CACHING: Final = "private, no-cache"
_dumps: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False
).encode


class Resource:
    """
    One path of one version: its methods, and every error in the dialect's shape.

    No class of REST framework and no `View`: a page of 250 should cost what it holds.
    """

    csrf_exempt = True  # a session's CSRF check is `authentication`'s

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self._allowed = ", ".join([*methods, "OPTIONS"])

    def __call__(self, request: HttpRequest, **parts: str) -> HttpResponseBase:
        """Answer a request."""
        answer = self._answer(request, parts)
        # JSON is no page that could be framed.
        answer.xframe_options_exempt = True
        return answer

    def _answer(self, request: HttpRequest, parts: dict[str, str]) -> HttpResponse:
        try:
            # A host that is not ours reads nothing.
            origins.origin(request)
            method = self._methods.get(request.method or "", self._other)
            return method(request, **parts)
        except Exception as error:  # noqa: BLE001 - every error has its answer
            return errors.respond(error, request)

    def _other(self, request: HttpRequest, **_parts: str) -> HttpResponse:
        """Answer OPTIONS, and refuse a method that there is not."""
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": self._allowed})
        raise errors.method_refused(request.method or "", self._allowed)


def collection(version: Version) -> Resource:
    """Return the list of a version."""
    return Resource({"GET": partial(_list, version)})


def pending(version: Version) -> Resource:
    """Return the list of what has not finished; deprecated by the vendor."""
    return Resource({"GET": partial(_pending, version), "HEAD": partial(_pending_count, version)})


def item(version: Version) -> Resource:
    """Return one run of a version."""
    return Resource({"GET": partial(_show, version), "PATCH": partial(_change, version)})


def _list(version: Version, request: HttpRequest) -> HttpResponse:
    """Return a page of the runs that the caller may see."""
    return _page(version, listing.page(_reader(version, request), version, request.GET))


def _pending(version: Version, request: HttpRequest) -> HttpResponse:
    """Return a page of those that have not finished."""
    answer = _page(version, listing.pending_page(_reader(version, request), request.GET))
    answer["X-Deprecated"] = "true"
    return answer


def _pending_count(version: Version, request: HttpRequest) -> HttpResponse:
    """Return the headers of that page."""
    answer = _pending(version, request)
    answer.content = b""
    return answer


def _show(version: Version, request: HttpRequest, task_id: str) -> HttpResponse:
    """Return one run."""
    return _shown(version, *reading.read_one(_reader(version, request), task_id))


def _change(version: Version, request: HttpRequest, task_id: str) -> HttpResponse:
    """Say how a run has ended; return it as it is then."""
    actor = _caller(version, request)
    authentication.require_scope(actor, authentication.WRITE)
    change = patch.read_patch(request)
    change.apply(actor, reading.run_id_of(task_id))
    return _shown(version, *reading.read_one(actor, task_id))


def _shown(version: Version, row: Row, said: list[Said]) -> HttpResponse:
    """Return the answer that shows one run."""
    body = represent(row, said, title_case=version.title_case)
    return _json(body, {"ETag": etag(row), "Cache-Control": _CACHING})


def _reader(version: Version, request: HttpRequest) -> Actor:
    actor = _caller(version, request)
    authentication.require_reader(actor)
    return actor


def _caller(version: Version, request: HttpRequest) -> Actor:
    actor = authentication.identify(request)
    most = conf.SAILPOINT_RATE_LIMIT
    if most is not None:
        throttle.count_request(f"sailpoint.{version.name}.{actor.user.pk}", most, _RATE_WINDOW)
    return actor


def _page(version: Version, page: Page) -> HttpResponse:
    title_case = version.title_case
    body = [represent(row, page.said.get(row.id, ()), title_case=title_case) for row in page.rows]
    headers = {} if page.total is None else {"X-Total-Count": str(page.total)}
    return _json(body, headers)


def _json(body: Any, headers: dict[str, str]) -> HttpResponse:
    raw = _dumps(body).encode("utf-8", "replace")
    return HttpResponse(
        raw,
        content_type=errors.CONTENT_TYPE,
        headers={**headers, "Content-Length": str(len(raw))},
    )
