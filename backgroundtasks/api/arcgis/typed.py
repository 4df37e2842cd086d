"""
What somebody typed into a form whose token had expired: it is shown again, and never done by itself.

It goes with the page to sign in on, without its secrets, and comes back with name and password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict

from backgroundtasks.api.arcgis.parameters import Given
from backgroundtasks.api.errors import BadRequest
from backgroundtasks.handlers import secrets

#: A secret within JSON that somebody typed, whole or not.
_SECRET: Final = re.compile(
    r'("[^"]*(?:passcode|password|secret)[^"]*"\s*:\s*)"(?P<value>(?:[^"\\]|\\.)*)"?', re.IGNORECASE
)
#: Of a parameter that is one, or that every form has.
_NOT_KEPT: Final = re.compile("passcode|password|secret|token", re.IGNORECASE)
_EVERYBODYS: Final = "f"


def kept(given: Given) -> str:
    """Return what was sent, as one text for a field of a form."""
    names = dict.fromkeys([*given.query, *given.body])
    texts = {name: given.text(name) or "" for name in names if not _NOT_KEPT.search(name)}
    texts.pop(_EVERYBODYS, None)
    return urlencode({name: without_secrets(text) for name, text in texts.items()})


def restored(text: str) -> Given:
    """
    Return what `kept` has kept.

    Raises:
        BadRequest: it is none of it.
    """
    try:
        return Given(QueryDict(text, encoding="utf-8"), QueryDict(""))
    except SuspiciousOperation:
        raise BadRequest("There are too many parameters.") from None


def without_secrets(text: str) -> str:
    """Return JSON that somebody typed without the secrets in it; the mask stays, and is none."""
    return _SECRET.sub(_without, text)


def _without(found: re.Match[str]) -> str:
    value = secrets.MASK if found["value"] == secrets.MASK else ""
    return f'{found[1]}"{value}"'
