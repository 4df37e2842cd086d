"""
GET of one task, beside sessions, messages and the URL resolver.

A middleware that answers it before them and lets everything else pass. It answers as the view
does, byte for byte; tests compare the two. Without it everything works, slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backgroundtasks.api.astra.paths import around
from backgroundtasks.api.astra.views import task

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

#: Length of an id in a path.
_ID: Final = 36


class Shortcut:
    """Middleware: put it behind `SecurityMiddleware`, before everything that costs time."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a GET of one task that brings an `Authorization` header; pass everything else."""
        path = request.path_info
        head, middle = around()
        if (
            head
            and path.startswith(head)
            and request.method == "GET"
            and "HTTP_AUTHORIZATION" in request.META
        ):
            # Paths in another letter case or with a slash at the end take the long way.
            account = path[len(head) : len(head) + _ID]
            identity = path[len(head) + _ID + len(middle) :]
            if len(identity) == _ID and path == f"{head}{account}{middle}{identity}":
                return task(request, account_id=account, task_id=identity)
        return self._get_response(request)
