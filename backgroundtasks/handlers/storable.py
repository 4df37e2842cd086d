"""What neither database can store in JSON, or what would be mistaken for our own marks."""

from __future__ import annotations

import re
from typing import Any, Final

from backgroundtasks.handlers import secrets

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def problem(value: Any) -> str | None:
    """Return why JSON from outside cannot be stored, for people; None when it can."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            return "Holds a NUL or half a surrogate pair, which cannot be stored."
        return None
    if isinstance(value, dict):
        if secrets.is_sealed(value):
            return f"Holds the reserved name {secrets.SEALED}."
        return next(filter(None, map(problem, (*value, *value.values()))), None)
    if isinstance(value, list | tuple):
        return next(filter(None, map(problem, value)), None)
    return None
