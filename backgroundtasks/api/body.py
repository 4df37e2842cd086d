"""The JSON body of a request, read within limits."""

from __future__ import annotations

import json
import math
from typing import Any, Final, Protocol

from backgroundtasks import conf
from backgroundtasks.api.errors import (
    BadRequest,
    LengthRequired,
    MediaTypeRefused,
    Refused,
    TooLarge,
)

#: Objects and arrays within each other; no resource needs a tenth of it.
DEPTH: Final = 64


class _Readable(Protocol):
    """The part of Django's and REST framework's requests that is needed here."""

    META: dict[str, Any]

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""


def require_length(request: _Readable) -> None:
    """
    Refuse a body that comes in chunks: Django reads nothing of it, as if it were empty.

    Raises:
        LengthRequired: there is no `Content-Length`.
    """
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        raise LengthRequired("Send the body with a Content-Length, not in chunks.")


def read_bytes(request: _Readable, limit: int | None = None) -> bytes:
    """
    Return the body of a JSON request.

    Args:
        request: Of which nobody has read.
        limit: In bytes; `conf.BODY_LIMIT` by default.

    Raises:
        MediaTypeRefused: it says that it is something else than JSON.
        LengthRequired: it comes in chunks.
        TooLarge: over the limit; nothing is read when the length says so.
        BadRequest: the connection broke off.
    """
    require_length(request)
    meta = request.META
    kind = meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    # Without a type it is taken for JSON: there is nothing else that it could be.
    if kind and kind not in {"application/json", "text/json"} and not kind.endswith("+json"):
        raise MediaTypeRefused(f"The body must be application/json, not {kind[:100]}.")
    if limit is None:
        limit = conf.BODY_LIMIT
    length = meta.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) <= limit:
        try:
            body = request.read(limit + 1)
        except OSError as error:
            raise BadRequest("The body broke off.") from error
        if len(body) <= limit:
            return body
    raise TooLarge(f"The body is larger than {limit} bytes.")


def parse(body: bytes) -> Any:
    """
    Return the JSON value of a body.

    Raises:
        BadRequest: malformed, nested more than 64 deep, or with what is no value: half a
            surrogate pair, a number beyond a double.
        Refused: a text holds NUL, which no database stores.
    """
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise BadRequest(f"The JSON is nested more than {DEPTH} deep.") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    # Looking at every value costs more than parsing it, so only a body that could be bad pays.
    if body.count(b"[") + body.count(b"{") > DEPTH or b"\\u" in body or b"\0" in body:
        _require_storable(value)
    return value


def parse_object(body: bytes) -> dict[str, Any]:
    """
    Return the JSON object of a body.

    Raises:
        BadRequest: as `parse`, or it is no object.
    """
    value = parse(body)
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _require_storable(value: Any) -> None:
    """Refuse a value that is nested too deeply or holds text that cannot be stored."""
    level = [value]
    for _ in range(DEPTH):
        for text in level:
            if isinstance(text, str):
                _require_text(text)
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in ([*outer.keys(), *outer.values()] if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise BadRequest(f"The JSON is nested more than {DEPTH} deep.")


def _require_text(text: str) -> None:
    if "\0" in text:
        raise Refused("A text holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("A text holds half a surrogate pair.") from None
