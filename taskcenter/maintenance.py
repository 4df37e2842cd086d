"""The web server while the installation is closed: the same for everybody, and no database."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from django.db import connections
from django.http import JsonResponse

from backgroundtasks import closed
from backgroundtasks.api import unrouted

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

#: These say themselves what they know.
_PROBES: Final = {"/livez", "/readyz"}


class Maintenance:
    """The first middleware: nothing behind it is asked while the installation is closed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer while closed, in the shape of whose path it is; else let the request pass."""
        if not closed.is_closed():
            return self._next(request)
        let_go_of_databases()
        if request.path in _PROBES:
            return self._next(request)
        text = f"Closed for maintenance. {closed.reason()}".strip()
        answer = unrouted.closed(request, text) or _closed(text)
        answer["Cache-Control"] = "no-store"
        return answer


def _closed(text: str) -> HttpResponse:
    """Return the answer where no dialect has one."""
    body = {"error": {"code": "closed", "message": text}}
    answer = JsonResponse(body, status=HTTPStatus.SERVICE_UNAVAILABLE)
    answer["Retry-After"] = str(unrouted.RETRY_AFTER)
    return answer


def let_go_of_databases() -> None:
    """Close this thread's connections and the process' pool: a restore waits for them."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()
