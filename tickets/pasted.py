"""What people paste, without what nobody should keep."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode

#: `https://kim:secret@host/…`: a scheme, if any, and a login before the host.
_LOGIN: Final = re.compile(r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*://)?)[^\s/?#]*@")
_SCHEME: Final = re.compile(r"^\s*[A-Za-z][A-Za-z0-9+.-]*://")
#: The parameters by which trackers' pages name a ticket; any other may be a token.
_NAMING: Final = {"selectedIssue", "issue", "id"}


def without_secrets(text: str) -> str:
    """
    Return a key as it is, and a URL without login, fragment, and parameters that name no ticket.

    It is stored with the task and shown to all of the account, and a pasted URL may hold a
    session's token.
    """
    text = _LOGIN.sub(r"\1", text)
    if _SCHEME.match(text):
        text = text.partition("#")[0]
    page, mark, query = text.partition("?")
    if not mark:
        return text
    kept = [(name, value) for name, value in parse_qsl(query) if name in _NAMING]
    return f"{page}?{urlencode(kept)}" if kept else page
