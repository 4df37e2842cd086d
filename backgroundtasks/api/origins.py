"""The beginning of absolute URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

#: Names of one host: a scheme, its name and port. Bounded, as clients choose the header.
_MOST_ORIGINS = 100
_origins: dict[tuple[str, str], str] = {}


def origin(request: HttpRequest | Request) -> str:
    """
    Return `https://host:port` as the client wrote it.

    Raises:
        DisallowedHost: the host is not among `ALLOWED_HOSTS`.
    """
    if settings.USE_X_FORWARDED_HOST:
        return f"{request.scheme}://{request.get_host()}"
    key = (str(request.scheme), request.META.get("HTTP_HOST", ""))
    known = _origins.get(key)
    if known is None:
        known = f"{request.scheme}://{request.get_host()}"
        if key[1] and len(_origins) < _MOST_ORIGINS:
            _origins[key] = known
    return known
