"""The web server while the installation is closed: 503 for everybody, and no database."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from django.db import connections
from django.http import JsonResponse

from backgroundtasks import closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

#: These say themselves what they know.
_PROBES: Final = {"/livez", "/readyz"}
#: Seconds after which a client may ask again.
_RETRY_AFTER: Final = "60"


class Maintenance:
    """The first middleware: nothing behind it is asked while the installation is closed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer 503 while closed, else let the request pass."""
        if not closed.is_closed():
            return self._next(request)
        let_go_of_databases()
        if request.path in _PROBES:
            return self._next(request)
        answer = JsonResponse(
            {
                "error": {
                    "code": "closed",
                    "message": f"Closed for maintenance. {closed.reason()}".strip(),
                }
            },
            status=HTTPStatus.SERVICE_UNAVAILABLE,
        )
        answer["Retry-After"] = _RETRY_AFTER
        answer["Cache-Control"] = "no-store"
        return answer


def let_go_of_databases() -> None:
    """Close this thread's connections and the process' pool: a restore waits for them."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()
