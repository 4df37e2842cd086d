"""
Errors as this dialect writes them: `{"error": {"code", "message", "details"}}`, with status 200.

The vendor's clients repeat a request that is answered 413, 429 or 5xx, also a POST: five times. So the code
stands in the body alone, whatever happened. Pages of the HTML directory are for people, and
have the status that goes with it where it does no harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from django.core import signals
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError

from backgroundtasks import exceptions
from backgroundtasks.api import errors
from backgroundtasks.maintenance import errors as maintenance

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
METHOD: Final = 405
TOKEN_INVALID: Final = 498
TOKEN_REQUIRED: Final = 499
CRASHED: Final = 500
CLOSED: Final = 503

#: Code of a problem to the parameter that it is about.
_OF_TIMING: Final = {
    "expression": "The cron fields",
    "starts_at": "startDate",
    "ends_at": "endDate",
    "max_runs": "maxOccurrences",
}


class Problem(errors.ApiError):
    """
    A refusal of this dialect.

    Args:
        code: 400, 403, 404, 498, 499 …
        message: One sentence for people.
        details: More of them.
    """

    def __init__(self, code: int, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class TokenRequired(Problem):
    """No token; or a cookie alone, for a POST."""

    def __init__(self, *details: str) -> None:
        super().__init__(TOKEN_REQUIRED, "Token Required.", details)


class TokenInvalid(Problem):
    """The token is unknown, revoked or expired."""

    def __init__(self) -> None:
        super().__init__(TOKEN_INVALID, "Invalid Token.")


def invalid(*details: str) -> Problem:
    """Return the refusal of parameters that do not fit."""
    return Problem(BAD_REQUEST, "Invalid parameters.", details)


def not_found() -> Problem:
    """Return the one answer for what is unknown, gone or invisible."""
    return Problem(NOT_FOUND, "Resource does not exist or is inaccessible.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is said of an error."""

    code: int
    message: str
    details: list[str] = field(default_factory=list)

    def body(self) -> dict[str, object]:
        """Return the answer; `details` is always there, as clients look for it."""
        return {"error": {"code": self.code, "message": self.message, "details": [*self.details]}}


#: Of what dialects share and of what the core refuses; a subclass goes with its base.
_CODES: Final[dict[type[Exception], int]] = {
    errors.Unauthenticated: TOKEN_INVALID,
    errors.NotFound: NOT_FOUND,
    errors.Refused: FORBIDDEN,
    errors.Failed: CRASHED,
    errors.Busy: CRASHED,
    errors.ApiError: BAD_REQUEST,
    exceptions.RunNotFound: NOT_FOUND,
    exceptions.ScheduleNotFound: NOT_FOUND,
    exceptions.PermissionRefused: FORBIDDEN,
    exceptions.AccountRefused: FORBIDDEN,
    exceptions.SubmissionFailed: CRASHED,
    exceptions.SecretUnreadable: CRASHED,
    exceptions.TaskCenterError: BAD_REQUEST,
    maintenance.StoreUnknown: NOT_FOUND,
    maintenance.BackupNotFound: NOT_FOUND,
    maintenance.StoreUnreachable: CRASHED,
    maintenance.MaintenanceError: BAD_REQUEST,
}


def refusal(error: Exception, request: HttpRequest) -> Refusal:
    """Return what is said of an error, and log it."""
    found = _translate(error)
    if found is None:
        logger.error(
            "request.failed method=%s path=%r", request.method, request.path, exc_info=error
        )
        signals.got_request_exception.send(sender=None, request=request)
        return Refusal(CRASHED, "The server failed; its log says why.")
    # Without the query string and the text: both may repeat what the caller keeps secret.
    logger.info(
        "arcgis.refused code=%d method=%s path=%r", found.code, request.method, request.path[:200]
    )
    return found


def _translate(error: Exception) -> Refusal | None:  # noqa: PLR0911 - a table
    """Return what an error is in this dialect; None for one that nobody foresaw."""
    match error:
        case Problem():
            return Refusal(error.code, error.message, [*error.details])
        case OperationalError() | InterfaceError():
            logger.error("database.away error=%s", str(error).partition("\n")[0])
            return Refusal(CRASHED, "The database does not answer; come again.")
        case SuspiciousOperation():
            return Refusal(BAD_REQUEST, "The request is malformed.")
        case exceptions.ParametersInvalid():
            return Refusal(BAD_REQUEST, "Invalid parameters.", [str(error)])
        case exceptions.ScheduleInvalid():
            return Refusal(
                BAD_REQUEST,
                "Invalid parameters.",
                [f"{_OF_TIMING.get(name, name)}: {text}" for name, text in error.problems.items()],
            )
        case exceptions.RunNotFound() | exceptions.ScheduleNotFound():
            return _translate(not_found())
    for kind in type(error).__mro__:
        if kind in _CODES:
            return Refusal(_CODES[kind], str(error))
    return None
