"""JSON as this dialect writes it: compact, UTF-8, times in whole seconds with `Z`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from rest_framework.renderers import BaseRenderer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

CONTENT_TYPE: Final = "application/json; charset=utf-8"


def moment(at: datetime) -> str:
    """Return a time as `2024-03-05T08:15:42Z`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="seconds")[:19] + "Z"


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no value of JSON.")


_compact: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=_encoded, check_circular=False
)
_indented: Final = json.JSONEncoder(ensure_ascii=False, indent=2, default=_encoded)


def dumps(value: Any, *, indented: bool = False) -> bytes:
    """Return a value as UTF-8 JSON; times, ids and decimals are written as the dialect does."""
    text = (_indented if indented else _compact).encode(value)
    return text.encode("utf-8", "replace")


def wants_indent(request: HttpRequest) -> bool:
    """Return whether `indent-json=true` stands in the query string or among the headers."""
    given = request.META.get("HTTP_INDENT_JSON")
    if given is None and "indent-json" in request.META.get("QUERY_STRING", ""):
        given = request.GET.get("indent-json")
    return given is not None and given.lower() in {"true", "1"}


class JsonRenderer(BaseRenderer):
    """The one renderer of this dialect."""

    media_type = "application/json"
    format = "json"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; none for no data."""
        if data is None:
            return b""
        request = (renderer_context or {}).get("request")
        return dumps(data, indented=request is not None and wants_indent(request))
