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

#: A secret within JSON that somebody typed, whole or not. The group is atomic: whoever sends
#: `"secretsecretsecret…` without an end would have it tried from every one of them.
_SECRET: Final = re.compile(
    r'("(?>[^"]*?(?:passcode|password|secret))[^"]*"\s*:\s*)"(?P<value>(?:[^"\\]|\\.)*)"?',
    re.IGNORECASE,
)
_SECRET_NAME: Final = re.compile("passcode|password|secret", re.IGNORECASE)
#: Every form has them.
_EVERYBODYS: Final = ("f", "token")


def kept(given: Given) -> str:
    """Return what was sent, as one text for a field of a form."""
    names = dict.fromkeys([*given.query, *given.body])
    texts = {
        name: given.text(name) or ""
        for name in names
        if name not in _EVERYBODYS and not _SECRET_NAME.search(name)
    }
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


def secret_in(query: QueryDict) -> str | None:
    """Return the parameter of an address that is a secret, or holds one; None: there is none."""
    for name, values in query.lists():
        texts = [str(value) for value in values]
        if _SECRET_NAME.search(name) or any(without_secrets(text) != text for text in texts):
            return name
    return None


def without_secrets(text: str) -> str:
    """Return JSON that somebody typed without the secrets in it; the mask stays, and is none."""
    return _SECRET.sub(_without, text)


def _without(found: re.Match[str]) -> str:
    value = secrets.MASK if found["value"] == secrets.MASK else ""
    return f'{found[1]}"{value}"'
