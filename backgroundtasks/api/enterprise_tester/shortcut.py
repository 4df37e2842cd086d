"""
The polled GET and the starting POST, beside REST framework's dispatch.

Clients poll ten times a second and start tasks in bulk, so these two take a short way: a
middleware that answers them before sessions, messages and the URL resolver have their turn,
and lets everything else pass. It answers as the views do, byte for byte; tests compare the
two. Without it everything works, slower.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, get_script_prefix, reverse

from backgroundtasks.api import authentication
from backgroundtasks.api.enterprise_tester import answers, errors, reading
from backgroundtasks.api.origins import origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


class Shortcut:
    """Middleware: put it behind `SecurityMiddleware`, before everything that costs time."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request with an `Authorization` header that is one of the two; pass others."""
        if "HTTP_AUTHORIZATION" in request.META:
            path = request.path_info
            if request.method == "GET":
                folder = self._folder
                size = len(folder)
                if path[:size].lower() == folder and size:
                    public = path[size:].removesuffix("/")
                    if public and "/" not in public:
                        return _answered(partial(_poll, public), request)
            elif request.method == "POST" and path.lower().removesuffix("/") == self._collection:
                return _answered(_start, request)
        return self._get_response(request)

    @cached_property
    def _folder(self) -> str:
        """What stands before a run's id in paths; empty when the dialect is not mounted."""
        return _path("backgroundtask", "x")[:-1]

    @cached_property
    def _collection(self) -> str:
        return _path("backgroundtasks") or "-"


def _path(name: str, *parts: str) -> str:
    try:
        path = reverse(name, args=parts)
    except NoReverseMatch:
        return ""
    return path[len(get_script_prefix()) - 1 :].lower()


def _answered(
    answer: Callable[[HttpRequest], HttpResponseBase], request: HttpRequest
) -> HttpResponseBase:
    try:
        # As `CommonMiddleware` does for the views: a host that is not ours starts nothing.
        origin(request)
        return answer(request)
    except Exception as error:  # noqa: BLE001 - every error has its answer
        known = errors.translate(error)
        if known is None:
            errors.report_crash(error, request)
            return errors.message(500, errors.CRASHED, request)
        return errors.plain(known, request)


def _poll(public: str, request: HttpRequest) -> HttpResponse:
    actor = authentication.identify(request)
    authentication.require_reader(actor)
    return answers.shown(request, reading.poll(actor, public))


def _start(request: HttpRequest) -> HttpResponseBase:
    actor = authentication.identify(request)
    authentication.require_scope(actor, authentication.WRITE)
    return answers.accepted(request, actor)
