"""`Idempotency-Key`: a repeated submission is answered with the first one's run."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from backgroundtasks.api.errors import Refused
from backgroundtasks.operations import Idempotency

if TYPE_CHECKING:
    from django.http import HttpRequest

_LONGEST: Final = 255


def read_idempotency(request: HttpRequest, digest: str) -> Idempotency | None:
    """
    Return what the header `Idempotency-Key` says; None without one.

    Args:
        request: Its method and path (in lower case, without the last slash) are the route.
        digest: SHA-256 of the body in hex, made while it streamed; `digest_of` for bytes.

    Raises:
        Refused: the key is empty, longer than 255 characters or not printable ASCII.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise Refused("The Idempotency-Key must be 1 to 255 printable ASCII characters.")
    path = request.path.lower().rstrip("/")
    return Idempotency(key, _short(f"{request.method} {path}"), digest)


def digest_of(body: bytes) -> str:
    """Return the digest of a body that is in memory."""
    return hashlib.sha256(body).hexdigest()


def _short(route: str) -> str:
    """Return the route as it fits its column."""
    limit = 200
    return route if len(route) <= limit else hashlib.sha256(route.encode()).hexdigest()
