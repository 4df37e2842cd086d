"""Answers below this dialect's paths where no view of it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backgroundtasks import conf
from backgroundtasks.api import unrouted
from backgroundtasks.api.arcgis import errors, parameters, renderers
from backgroundtasks.api.arcgis.errors import Problem
from backgroundtasks.api.arcgis.views import wishes_html
from backgroundtasks.api.errors import ApiError

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_PROBLEMS: Final = {
    400: (errors.BAD_REQUEST, "The request is malformed."),
    404: (errors.NOT_FOUND, "Resource does not exist or is inaccessible."),
    500: (errors.CRASHED, "The server failed; its log says why."),
    503: (errors.CLOSED, "Closed for maintenance."),
}


def register() -> None:
    """Let this dialect answer below its paths."""
    unrouted.register(_owns, _answer)


def _owns(path: str) -> bool:
    context = conf.ARCGIS_CONTEXT.lower()
    return any(f"/{context}/{part}/" in f"{path}/" for part in ("admin", "sharing"))


def _answer(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Answer what no view is asked for; as JSON with 200, as everything that is refused here."""
    code, usual = _PROBLEMS[status]
    found = errors.refusal(Problem(code, text or usual), request)
    if _wishes_html(request):
        return renderers.error_page(request, found)
    return renderers.as_json(found.body(), "json")


def _wishes_html(request: HttpRequest) -> bool:
    try:
        return "/sharing/" not in request.path_info and wishes_html(parameters.read(request))
    except ApiError:
        return False
