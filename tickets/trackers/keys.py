"""What people type and paste for a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from tickets.trackers.transport.addresses import Origin

#: Longer than any tracker's key or address of a ticket.
LONGEST: Final = 2000


def pasted(text: str, origin: Origin) -> str | None:
    """
    Return the path of a pasted URL, below the tracker's own, without a slash at its end.

    The query follows after a `?`. None when it is no URL, or one of another place. A URL that
    was pasted without its scheme is one, too: browsers hide it.
    """
    text = text.strip()
    if len(text) > LONGEST:
        return None
    if "://" not in text and text.startswith(f"{origin.netloc}/"):
        text = f"{origin.scheme}://{text}"
    # The address bar of a tracker that redirects to https.
    for url in (text, text.replace("http://", "https://", 1)):
        if origin.is_of(url):
            found = urlsplit(url)
            path = unquote(found.path)
            if not path.startswith(f"{origin.path}/"):
                return None
            below = path.removeprefix(origin.path).rstrip("/")
            return f"{below}?{found.query}" if found.query else below
    return None
