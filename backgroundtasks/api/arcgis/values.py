"""Parameters that are more than words: yes or no, times, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api.arcgis.errors import invalid

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
    Return a time that is sent in milliseconds since 1970; None when it was not sent.

    Raises:
        Problem: it is none.
    """
    text = given.word(name)
    if not text:
        return None
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(_LAST))
    if not digits or int(text) > _LAST:
        raise invalid(f"{name} is a time in milliseconds since 1970.")
    return _EPOCH + timedelta(milliseconds=int(text))


def json_object(given: Given, name: str) -> dict[str, Any]:
    """
    Return a parameter that is an object of JSON; it must be there.

    Raises:
        Problem: it is not, or holds numbers that JSON has not.
    """
    try:
        value = json.loads(required(given, name), parse_constant=_refused)
    except (ValueError, RecursionError):
        raise invalid(f"{name} is no JSON.") from None
    if not isinstance(value, dict):
        raise invalid(f"{name} is an object of JSON.")
    return value


def _refused(_constant: str) -> None:
    raise ValueError
