"""Parameters that are more than words: yes or no, times, JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import body
from backgroundtasks.api.arcgis.errors import Problem, invalid
from backgroundtasks.api.errors import ApiError

if TYPE_CHECKING:
    from backgroundtasks.api.arcgis.parameters import Given

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The year 9999: what a time of Python's can hold.
_LAST: Final = 253_402_300_799_999


def required(given: Given, name: str) -> str:
    """
    Return a parameter that must be there.

    Raises:
        Problem: it is not.
    """
    text = given.word(name)
    if not text:
        raise invalid(f"{name} is required.")
    return text


def flag(given: Given, name: str) -> bool:
    """
    Return yes or no; no when it was not sent.

    Raises:
        Problem: it is neither.
    """
    text = given.word(name).lower()
    if text not in {"", "true", "false", "on"}:
        raise invalid(f"{name} is true or false.")
    return text in {"true", "on"}


def moment(given: Given, name: str) -> datetime | None:
    """
    Return a time: milliseconds since 1970, or ISO 8601 as browsers write it (then UTC).

    None when it was not sent, or is empty.

    Raises:
        Problem: it is none.
    """
    text = given.word(name)
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= len(str(_LAST)) and int(text) <= _LAST:
        return _EPOCH + timedelta(milliseconds=int(text))
    try:
        if not text.lstrip("-").isdigit():
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid(f"{name} is a time in milliseconds since 1970.")


def json_object(given: Given, name: str) -> dict[str, Any]:
    """
    Return a parameter that is an object of JSON; it must be there.

    Raises:
        Problem: it is not, or holds what JSON or a database has not.
    """
    try:
        return body.parse_object(required(given, name).encode("utf-8", "replace"))
    except ApiError as error:
        if isinstance(error, Problem):
            raise
        text = error.message.removeprefix("The body ").removeprefix("must be ")
        raise invalid(f"{name}: {text}") from None
