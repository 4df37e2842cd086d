"""
What was done just now, for the page that an operation leads to.

A signed cookie of a minute carries it there; the page that shows it takes it away. In the
address anybody could write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.core import signing

from backgroundtasks.api.arcgis.resource import href

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_COOKIE: Final = "arcgis_done"
_SALT: Final = "backgroundtasks.api.arcgis.notice"
_SECONDS: Final = 60
#: Browsers keep no cookie of more than 4,096 bytes.
_LONGEST: Final = 1500


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said."""

    #: Of the operation: `Disable Task`
    title: str
    text: str = ""


def leave(answer: HttpResponse, request: HttpRequest, notice: Notice) -> None:
    """Let the next page say it."""
    said = [notice.title, notice.text[:_LONGEST]]
    answer.set_cookie(
        _COOKIE,
        signing.dumps(said, salt=_SALT, compress=True),
        max_age=_SECONDS,
        path=href(""),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def find(request: HttpRequest) -> Notice | None:
    """Return what the page before this one has left to say; None without it."""
    try:
        found = signing.loads(request.COOKIES.get(_COOKIE, ""), salt=_SALT, max_age=_SECONDS)
    except signing.BadSignature:
        return None
    return Notice(*found)


def take_away(answer: HttpResponse) -> None:
    """Say it once."""
    answer.delete_cookie(_COOKIE, path=href(""), samesite="Lax")
