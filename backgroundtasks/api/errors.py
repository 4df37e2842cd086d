"""
What a request can run into, with its HTTP status.

    ApiError                 status
    ├── BadRequest           400   the bytes make no request
    ├── Unauthenticated      401   no credential, or one that is not good (any more)
    ├── Refused              403   not allowed, or not valid: this API has no 422
    │   └── NoMember         403   of the account that was asked for
    ├── NotFound             404   unknown, gone or invisible
    ├── Conflict             409   it stands against what is there
    ├── LengthRequired       411   a body without a length
    ├── TooLarge             413   more bytes than this resource takes
    ├── MediaTypeRefused     415   a body of another kind
    ├── Throttled            429   too many failed logins
    ├── Failed               500   a handler could not create its task
    └── Busy                 503   no room now, or no database; `Retry-After` says when

Each dialect writes them in its own shape.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class ApiError(Exception):
    """Never raised itself; its text is for people."""

    status: ClassVar[HTTPStatus]

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


class BadRequest(ApiError):
    """The bytes make no request: malformed JSON, another type than an object."""

    status = HTTPStatus.BAD_REQUEST


class Unauthenticated(ApiError):
    """No credential, or one that is wrong, expired or revoked."""

    status = HTTPStatus.UNAUTHORIZED


class Refused(ApiError):
    """The caller may not do this, or what was sent is not valid."""

    status = HTTPStatus.FORBIDDEN


class NoMember(Refused):
    """The caller does not belong to the account that was asked for, or to none."""


class NotFound(ApiError):
    """There is no such thing, or none that the caller may see."""

    status = HTTPStatus.NOT_FOUND


class Conflict(ApiError):
    """It stands against what is there: a name in use, a run that has finished."""

    status = HTTPStatus.CONFLICT


class LengthRequired(ApiError):
    """The body comes in chunks; WSGI gives us only bodies whose length is known."""

    status = HTTPStatus.LENGTH_REQUIRED


class TooLarge(ApiError):
    """The body has more bytes than this resource takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class MediaTypeRefused(ApiError):
    """The body is of a kind that this resource does not take."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Throttled(ApiError):
    """Too many failed logins; `Retry-After` says when the next one is looked at."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(seconds)})


class Failed(ApiError):
    """A handler could not create its task: an answer, not a crash."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class Busy(ApiError):
    """No room for this now; `Retry-After` says when to come again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(seconds)})
