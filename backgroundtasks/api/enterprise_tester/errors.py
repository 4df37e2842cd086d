"""Errors as this dialect writes them: a status and `{"Message": "…"}`."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final, TypeVar

from django.core import exceptions as django_errors
from django.core import signals
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf_errors
from rest_framework import status
from rest_framework.response import Response

from backgroundtasks import exceptions
from backgroundtasks.api import errors, unrouted
from backgroundtasks.api.enterprise_tester.rendering import CONTENT_TYPE, dumps, wants_indent

_R = TypeVar("_R", bound=HttpResponse)

logger = logging.getLogger(__name__)

REALM: Final = 'Basic realm="Enterprise Tester"'
MALFORMED: Final = "The request is malformed."
OVERTAKEN: Final = "Something that this is about was removed or changed at this very moment."
CRASHED: Final = "The server failed; its log says why."

_OUTSIDE: Final = {400: MALFORMED, 404: "There is no such resource.", 500: CRASHED}

#: PostgreSQL's code.
_FOREIGN_KEY_VIOLATION: Final = "23503"
#: How this dialect answers what the core refuses; a subclass goes with its base.
_STATUSES: Final[dict[type[exceptions.TaskCenterError], type[errors.ApiError]]] = {
    exceptions.TaskTypeUnknown: errors.Refused,
    exceptions.ParametersInvalid: errors.Refused,
    exceptions.LabelsInvalid: errors.Refused,
    exceptions.PermissionRefused: errors.Refused,
    exceptions.SubmissionRefused: errors.Refused,
    exceptions.SubmissionFailed: errors.Failed,
    exceptions.IdempotencyConflict: errors.Conflict,
    exceptions.AccountRefused: errors.Refused,
    exceptions.ScopeUnknown: errors.Refused,
    exceptions.SecretUnreadable: errors.Failed,
    exceptions.RunNotFound: errors.NotFound,
    exceptions.ScheduleInvalid: errors.Refused,
    exceptions.ScheduleNotFound: errors.NotFound,
    exceptions.ScheduleConflict: errors.Conflict,
    exceptions.RunConflict: errors.Conflict,
}
#: Likewise for what REST framework and Django raise.
_FRAMEWORK: Final[dict[type[Exception], type[errors.ApiError]]] = {
    drf_errors.NotAuthenticated: errors.Unauthenticated,
    drf_errors.AuthenticationFailed: errors.Unauthenticated,
    drf_errors.PermissionDenied: errors.Refused,
    drf_errors.ValidationError: errors.Refused,
    drf_errors.ParseError: errors.BadRequest,
    drf_errors.UnsupportedMediaType: errors.MediaTypeRefused,
    drf_errors.NotFound: errors.NotFound,
    django_errors.PermissionDenied: errors.Refused,
    django_errors.SuspiciousOperation: errors.BadRequest,
    Http404: errors.NotFound,
}


def translate(error: Exception) -> errors.ApiError | None:
    """Return what an error is in HTTP; None for one that nobody foresaw."""
    if isinstance(error, errors.ApiError):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database.away error=%s", str(error).partition("\n")[0])
        return errors.Busy("The database does not answer; come again.", seconds=5)
    if isinstance(error, IntegrityError) and _is_overtaken(error):
        logger.warning("request.overtaken error=%s", str(error).partition("\n")[0])
        return errors.Conflict(OVERTAKEN)
    for kind in type(error).__mro__:
        if kind in _STATUSES:
            return _STATUSES[kind](str(error))
        if kind in _FRAMEWORK:
            return _FRAMEWORK[kind](_text(error))
    return None


def _is_overtaken(error: IntegrityError) -> bool:
    """Whether a row names one that is gone: what a request is about was looked up a moment ago."""
    cause = error.__cause__
    return (
        getattr(cause, "sqlstate", None) == _FOREIGN_KEY_VIOLATION
        or getattr(cause, "sqlite_errorname", None) == "SQLITE_CONSTRAINT_FOREIGNKEY"
    )


def headers_of(error: errors.ApiError) -> dict[str, str]:
    """Return the headers that go with an error."""
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": REALM, **error.headers}
    return error.headers


def respond(error: Exception, request: HttpRequest) -> Response:
    """Return REST framework's answer to an error; one that nobody foresaw is logged."""
    if isinstance(error, drf_errors.MethodNotAllowed):
        return Response({"Message": str(error.detail)}, status.HTTP_405_METHOD_NOT_ALLOWED)
    known = translate(error)
    if known is None:
        report_crash(error, request)
        return _unlogged(Response({"Message": CRASHED}, status.HTTP_500_INTERNAL_SERVER_ERROR))
    return _unlogged(Response({"Message": known.message}, known.status, headers=headers_of(known)))


def plain(error: errors.ApiError, request: HttpRequest) -> HttpResponse:
    """Return the same answer without REST framework."""
    return message(known_status(error), error.message, request, headers_of(error))


def known_status(error: errors.ApiError) -> int:
    """Return the number of an error's status."""
    return int(error.status)


def message(
    code: int, text: str, request: HttpRequest, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a plain answer with a `Message`."""
    body = dumps({"Message": text}, indented=wants_indent(request))
    return _unlogged(HttpResponse(body, status=code, content_type=CONTENT_TYPE, headers=headers))


def _unlogged(answer: _R) -> _R:
    """Keep Django from logging the status: a refusal is no news, and a crash has its line."""
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's own flag
    return answer


def report_crash(error: Exception, request: HttpRequest) -> None:
    """Log an error that nobody foresaw, and tell Django's listeners."""
    logger.error("request.failed method=%s path=%s", request.method, request.path, exc_info=error)
    signals.got_request_exception.send(sender=None, request=request)


def _outside(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Answer what no view is asked for."""
    answer = message(status, text or _OUTSIDE[status], request)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = str(unrouted.RETRY_AFTER)
    return answer


unrouted.register(lambda path: path.startswith("/api"), _outside)


def _text(error: Exception) -> str:
    """Return the text of a framework's error: of a validation, every field with its problems."""
    if isinstance(error, django_errors.SuspiciousOperation):
        return MALFORMED
    if isinstance(error, drf_errors.ValidationError):
        return "; ".join(_lines(error.detail)) or "What was sent is not valid."
    if isinstance(error, drf_errors.APIException):
        return str(error.detail)
    return str(error) or "There is no such resource."


def _lines(detail: Any, name: str = "") -> list[str]:
    if isinstance(detail, dict):
        return [
            line for key, inner in detail.items() for line in _lines(inner, _joined(name, str(key)))
        ]
    if isinstance(detail, list):
        return [line for inner in detail for line in _lines(inner, name)]
    return [f"{name}: {detail}" if name else str(detail)]


def _joined(outer: str, inner: str) -> str:
    if inner == "non_field_errors":
        return outer
    return f"{outer}.{inner}" if outer else inner
