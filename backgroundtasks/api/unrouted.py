"""
What is answered before or beside views: unknown paths, refused requests, crashes, a closed door.

    handler400 = "backgroundtasks.api.unrouted.bad_request"
    handler404 = "backgroundtasks.api.unrouted.not_found"
    handler500 = "backgroundtasks.api.unrouted.server_error"

A dialect says which paths are its own, and answers there in its own shape; elsewhere it is
Django's page.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.views import defaults

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

#: Takes 400, 404, 500 or 503, and of a 503 the text.
Answer = Callable[["HttpRequest", int, str], "HttpResponse"]
#: Seconds after which a client may ask a closed installation again.
RETRY_AFTER: Final = 60
_dialects: Final[list[tuple[Callable[[str], bool], Answer]]] = []


def register(owns: Callable[[str], bool], answer: Answer) -> None:
    """
    Let a dialect answer below its paths.

    Args:
        owns: Whether a path (in lower case) is the dialect's.
        answer: Returns the dialect's answer of this status.
    """
    _dialects.append((owns, answer))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer an unknown path: `handler404` of a project."""
    return _answer(request, 404) or defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer a request that Django refuses to look at: `handler400` of a project."""
    return _answer(request, 400) or defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer a crash outside of a dialect's views: `handler500` of a project."""
    return _answer(request, 500) or defaults.server_error(request)


def closed(request: HttpRequest, text: str) -> HttpResponse | None:
    """Answer while the installation is closed; None where no dialect is asked."""
    # Dialects register with their routes, which nobody may have needed yet.
    import_module(settings.ROOT_URLCONF)
    return _answer(request, 503, text)


def _answer(request: HttpRequest, status: int, text: str = "") -> HttpResponse | None:
    path = request.path_info.lower()
    for owns, answer in _dialects:
        if owns(path):
            return answer(request, status, text)
    return None
