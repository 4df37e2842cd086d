"""Errors as this dialect writes them: problems with a number, a string status and an id."""

from __future__ import annotations

import json
import logging
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from django.core import signals
from django.core.exceptions import SuspiciousOperation, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse

from backgroundtasks import exceptions
from backgroundtasks.api import errors, unrouted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
#: The vendor's address of each of its problems; clients know them by it.
_TYPE: Final = "https://astra.netapp.io/problems/"

NOT_FOUND: Final = 1
COLLECTION_NOT_FOUND: Final = 2
MISSING_TOKEN: Final = 3
INVALID_TOKEN: Final = 4
INVALID_PARAMETERS: Final = 5
UNKNOWN_PARAMETERS: Final = 6
NOT_PERMITTED: Final = 11
UNAVAILABLE: Final = 24
NOT_ACCEPTABLE: Final = 32
CRASHED: Final = 34
METHOD: Final = 69

#: Number to status and title; both are the vendor's.
CATALOGUE: Final = {
    NOT_FOUND: (404, "Resource not found"),
    COLLECTION_NOT_FOUND: (404, "Collection not found"),
    MISSING_TOKEN: (401, "Missing bearer token"),
    INVALID_TOKEN: (401, "Invalid bearer token"),
    INVALID_PARAMETERS: (400, "Invalid query parameters"),
    UNKNOWN_PARAMETERS: (400, "Query parameters not supported"),
    NOT_PERMITTED: (403, "Operation not permitted"),
    UNAVAILABLE: (503, "Service unavailable"),
    NOT_ACCEPTABLE: (406, "Unsupported content type"),
    CRASHED: (500, "Internal server error"),
    METHOD: (405, "Method not supported"),
}
#: What is said of several wrong parameters at most.
_MOST: Final = 20
_LONGEST: Final = 500


class Problem(Exception):
    """
    An answer that is a refusal.

    Args:
        number: Of the vendor's catalogue.
        detail: One sentence for people.
        invalid: Name and reason of each parameter that does not fit.
        headers: To go with it.
    """

    def __init__(
        self,
        number: int,
        detail: str,
        *,
        invalid: Iterable[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title = CATALOGUE[number]
        self.type = f"{_TYPE}{number}"
        self.detail = detail
        self.invalid = list(invalid)
        self.headers = headers or {}


class _Unnumbered(Problem):
    """A refusal that the vendor has no number for, as RFC 7807 writes one."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(CRASHED, detail, headers=headers)
        self.status, self.title = status, HTTPStatus(status).phrase
        self.type = "about:blank"


def not_found() -> Problem:
    """Return the one answer for a task that is unknown, foreign or invisible."""
    return Problem(NOT_FOUND, "There is nothing here, or nothing that you may see.")


def collection_not_found() -> Problem:
    """Return the one answer for an account that is unknown or foreign, asked for its tasks."""
    return Problem(COLLECTION_NOT_FOUND, "There is no such account, or you do not belong to it.")


def respond(error: Exception, request: HttpRequest) -> HttpResponse:
    """Return the answer to an error; one that nobody foresaw is logged with its traceback."""
    correlation = str(uuid.uuid4())
    if isinstance(error, OperationalError | InterfaceError):
        logger.error(
            "database.away error=%s correlation_id=%s", str(error).partition("\n")[0], correlation
        )
    problem = _translate(error, request)
    if problem is None:
        logger.error(
            "request.failed method=%s path=%r correlation_id=%s",
            request.method,
            request.path,
            correlation,
            exc_info=error,
        )
        signals.got_request_exception.send(sender=None, request=request)
        problem = Problem(CRASHED, "The server failed; its log says why, under the correlation id.")
    return _written(problem, request, correlation)


def _translate(error: Exception, request: HttpRequest) -> Problem | None:  # noqa: PLR0911 - a table
    """Return what an error is in this dialect; None for one that nobody foresaw."""
    match error:
        case Problem():
            return error
        case OperationalError() | InterfaceError():
            detail = "The database does not answer; come again."
            return Problem(UNAVAILABLE, detail, headers={"Retry-After": "5"})
        case errors.Unauthenticated():
            return _unauthenticated(error, request)
        case errors.Refused() | exceptions.PermissionRefused():
            return Problem(NOT_PERMITTED, str(error))
        case errors.Busy():
            return Problem(UNAVAILABLE, error.message, headers=error.headers)
        case errors.ApiError():
            return _Unnumbered(error.status, error.message, error.headers)
        case TooManyFieldsSent():
            return Problem(INVALID_PARAMETERS, "There are too many query parameters.")
        case SuspiciousOperation():
            return _Unnumbered(400, "The request is malformed.")
        case Http404():
            return not_found()
    return None


def _unauthenticated(error: errors.Unauthenticated, request: HttpRequest) -> Problem:
    """Tell whoever brings no token from who brings a wrong one."""
    scheme = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower()
    number = INVALID_TOKEN if scheme in {"bearer", "basic"} else MISSING_TOKEN
    return Problem(number, error.message, headers={"WWW-Authenticate": "Bearer", **error.headers})


def _written(problem: Problem, request: HttpRequest, correlation: str) -> HttpResponse:
    logger.info(
        "astra.refused type=%s status=%d method=%s path=%r correlation_id=%s",
        problem.type,
        problem.status,
        request.method,
        request.path,
        correlation,
    )
    body = {
        "type": problem.type,
        "title": problem.title,
        "detail": problem.detail,
        "status": str(problem.status),
        "correlationID": correlation,
    }
    if problem.invalid:
        # Without duplicates, also after cutting.
        said = dict.fromkeys((n[:_LONGEST], why[:_LONGEST]) for n, why in problem.invalid)
        body["invalidParams"] = [{"name": n, "reason": why} for n, why in [*said][:_MOST]]  # type: ignore[assignment]
    answer = HttpResponse(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own flag
    return answer


def _outside(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Answer what no view is asked for."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        later = {"Retry-After": str(unrouted.RETRY_AFTER)}
        return respond(Problem(UNAVAILABLE, text, headers=later), request)
    if status == HTTPStatus.NOT_FOUND:
        return respond(Http404(), request)
    if status == HTTPStatus.BAD_REQUEST:
        return respond(SuspiciousOperation(), request)
    problem = Problem(CRASHED, "The server failed; its log says why.")
    return _written(problem, request, str(uuid.uuid4()))


def _owns(path: str) -> bool:
    return path.startswith("/accounts/") and "/core/v1/tasks" in path


unrouted.register(_owns, _outside)
