"""
What Django answers by itself: unknown paths, refused requests, crashes outside of views.

    handler400 = "backgroundtasks.api.unrouted.bad_request"
    handler404 = "backgroundtasks.api.unrouted.not_found"
    handler500 = "backgroundtasks.api.unrouted.server_error"

A dialect says which paths are its own, and answers there in its own shape; elsewhere it is
Django's page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from django.views import defaults

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

#: Takes 400, 404 or 500.
Answer = Callable[["HttpRequest", int], "HttpResponse"]
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


def _answer(request: HttpRequest, status: int) -> HttpResponse | None:
    path = request.path_info.lower()
    for owns, answer in _dialects:
        if owns(path):
            return answer(request, status)
    return None
