"""
Errors as this dialect writes them: `detailCode`, `trackingId`, `messages`, `causes`.

Every refusal has an id of its own, which stands in the answer and in one line of our log.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from django.core import exceptions as django_errors
from django.core import signals
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse

from backgroundtasks import exceptions
from backgroundtasks.api import errors, unrouted
from backgroundtasks.api.sailpoint.versions import VERSIONS
from backgroundtasks.api.sailpoint.vocabulary import LOCALE

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/json"

SYNTAX: Final = "400.0 Bad request syntax"
CONTENT: Final = "400.1 Bad request content"
VALUE: Final = "400.1.3 Illegal value"
FORBIDDEN: Final = "403 Forbidden"
NOT_FOUND: Final = "404 Not found"
METHOD: Final = "405 Method not allowed"
PRECONDITION: Final = "412 Precondition failed"
FAULT: Final = "500.0 Internal Fault"
UNAVAILABLE: Final = "503 Service unavailable"

_CRASHED: Final = "An internal fault occurred; the log of the server says why."
_MALFORMED: Final = "The request is malformed."


class Problem(errors.ApiError):
    """What this dialect itself refuses, with its `detailCode`."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, headers=headers)
        self.status = status  # type: ignore[misc]  # one class for what only the code tells apart
        self.code = code


def illegal_value(message: str) -> Problem:
    """Return the refusal of a parameter, a filter or a path of a patch that does not fit."""
    return Problem(HTTPStatus.BAD_REQUEST, VALUE, message)


def bad_content(message: str) -> Problem:
    """Return the refusal of a body of the wrong shape."""
    return Problem(HTTPStatus.BAD_REQUEST, CONTENT, message)


def method_refused(method: str, allowed: str) -> Problem:
    """Return the refusal of a method that a path does not have."""
    text = f"{method[:20]} is not possible here."
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, METHOD, text, headers={"Allow": allowed})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an error is in HTTP."""

    status: HTTPStatus
    code: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


#: A status of what dialects share, and how it is answered here: the vendor lists no others.
_SHARED: Final = {
    HTTPStatus.BAD_REQUEST: (HTTPStatus.BAD_REQUEST, SYNTAX),
    HTTPStatus.LENGTH_REQUIRED: (HTTPStatus.BAD_REQUEST, CONTENT),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (HTTPStatus.BAD_REQUEST, CONTENT),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (HTTPStatus.BAD_REQUEST, CONTENT),
    HTTPStatus.UNAUTHORIZED: (HTTPStatus.UNAUTHORIZED, ""),
    HTTPStatus.FORBIDDEN: (HTTPStatus.FORBIDDEN, FORBIDDEN),
    HTTPStatus.NOT_FOUND: (HTTPStatus.NOT_FOUND, NOT_FOUND),
    HTTPStatus.TOO_MANY_REQUESTS: (HTTPStatus.TOO_MANY_REQUESTS, ""),
    HTTPStatus.SERVICE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE),
}
#: How this dialect answers what the core refuses; a subclass goes with its base.
_CORE: Final[dict[type[exceptions.TaskCenterError], tuple[HTTPStatus, str]]] = {
    exceptions.RunNotFound: (HTTPStatus.NOT_FOUND, NOT_FOUND),
    exceptions.PermissionRefused: (HTTPStatus.FORBIDDEN, FORBIDDEN),
    exceptions.AccountRefused: (HTTPStatus.FORBIDDEN, FORBIDDEN),
    exceptions.RunConflict: (HTTPStatus.BAD_REQUEST, VALUE),
}


def respond(error: Exception, request: HttpRequest) -> HttpResponse:
    """Return the answer to an error, and log it under the answer's tracking id."""
    found = _translate(error)
    tracking_id = uuid.uuid4().hex
    if found.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error(
            "request.failed tracking_id=%s method=%s path=%r",
            tracking_id,
            request.method,
            request.path,
            exc_info=error,
        )
        signals.got_request_exception.send(sender=None, request=request)
    else:
        _note(found, tracking_id, request)
    return _written(found, tracking_id)


def _outside(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Answer what no view is asked for."""
    later = {"Retry-After": str(unrouted.RETRY_AFTER)}
    found = {
        400: _Answer(HTTPStatus.BAD_REQUEST, SYNTAX, _MALFORMED),
        404: _Answer(HTTPStatus.NOT_FOUND, NOT_FOUND, "There is no such resource."),
        500: _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT, _CRASHED),
        503: _Answer(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, text, later),
    }[status]
    tracking_id = uuid.uuid4().hex
    _note(found, tracking_id, request)
    return _written(found, tracking_id)


def _owns(path: str) -> bool:
    return any(f"{path}/".startswith(root) for root in _ROOTS)


#: `/task-status/`, `/v2026/`, … `/beta/`
_ROOTS: Final = {f"/{version.path.partition('/')[0]}/" for version in VERSIONS}
unrouted.register(_owns, _outside)


def _note(found: _Answer, tracking_id: str, request: HttpRequest) -> None:
    # Without the query string and the text: both may repeat what the caller keeps secret.
    logger.info(
        "request.refused tracking_id=%s status=%d code=%r method=%s path=%r",
        tracking_id,
        found.status,
        found.code,
        request.method,
        request.path[:200],
    )


def _translate(error: Exception) -> _Answer:
    if isinstance(error, errors.ApiError):
        return _of_api(error)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database.away error=%s", str(error).partition("\n")[0])
        text = "The database does not answer; come again."
        return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE, text, {"Retry-After": "5"})
    for kind in type(error).__mro__:
        if kind in _CORE:
            status, code = _CORE[kind]
            return _Answer(status, code, str(error))
    if isinstance(error, django_errors.SuspiciousOperation):
        return _Answer(HTTPStatus.BAD_REQUEST, SYNTAX, _MALFORMED)
    return _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT, _CRASHED)


def _of_api(error: errors.ApiError) -> _Answer:
    if isinstance(error, Problem):
        return _Answer(error.status, error.code, error.message, error.headers)
    status, code = _SHARED.get(error.status, (error.status, FAULT))
    headers = error.headers
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": 'Bearer realm="task-status"', **headers}
    return _Answer(status, code, error.message, headers)


def _written(found: _Answer, tracking_id: str) -> HttpResponse:
    body: dict[str, Any]
    if found.status == HTTPStatus.UNAUTHORIZED:
        body = {"error": found.text}
    elif found.status == HTTPStatus.TOO_MANY_REQUESTS:
        body = {"message": found.text}
    else:
        body = {
            "detailCode": found.code,
            "trackingId": tracking_id,
            "messages": [
                {"locale": LOCALE, "localeOrigin": "DEFAULT", "text": found.text},
                {"locale": "und", "localeOrigin": "REQUEST", "text": found.text},
            ],
            "causes": [],
        }
    answer = HttpResponse(
        json.dumps(body), status=found.status, content_type=CONTENT_TYPE, headers=found.headers
    )
    # A refusal is no news to Django's logger, and a crash has its line.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own flag
    return answer
