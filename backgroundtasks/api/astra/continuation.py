"""
`metadata.continue`: behind which task the next page begins.

A signed place, so that what comes back is what we gave. It is base64 without `+`, `/` and `=`:
clients that forget to quote it in a URL lose nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core.signing import BadSignature, Signer

_signer: Final = Signer(salt="backgroundtasks.astra.continue")
_LONGEST: Final = 2000
_REFUSED: Final = "is none that metadata.continue had for this orderBy"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended."""

    #: What `orderBy` sorts by, of the last task; None without `orderBy`, or where it has none.
    key: Any
    position: int
    run_id: UUID


def write(place: Place, order: str, *, descending: bool) -> str:
    """Return the text of a place."""
    fields = [order, int(descending), _plain(place.key), place.position, place.run_id.hex]
    text = json.dumps(fields, separators=(",", ":"))
    # Sextets of ASCII give `+` and `/` for these three only; in JSON they can be escaped.
    for sign in "?>~":
        text = text.replace(sign, f"\\u00{ord(sign):02x}")
    # Blanks that fill up the last group of three bytes leave no `=`.
    unpadded = len(_signer.sign(text))
    return base64.b64encode(_signer.sign(text + " " * (-unpadded % 3)).encode()).decode()


def read(text: str, order: str, descending: bool) -> Place:  # noqa: FBT001 - as it was written
    """
    Return the place of a text.

    Raises:
        ValueError: it is none that `write` made for this order.
    """
    if len(text) > _LONGEST:
        raise ValueError(_REFUSED)
    try:
        signed = base64.b64decode(text, validate=True).decode("ascii")
        fields = json.loads(_signer.unsign(signed))
    except (binascii.Error, ValueError, BadSignature):
        raise ValueError(_REFUSED) from None
    if fields[:2] != [order, int(descending)]:
        raise ValueError(_REFUSED)
    return Place(_value(fields[2]), fields[3], UUID(fields[4]))


def _plain(key: Any) -> Any:
    if isinstance(key, datetime):
        return {"time": key.isoformat()}
    if isinstance(key, UUID):
        return {"id": key.hex}
    return key


def _value(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "time" in plain:
        return datetime.fromisoformat(plain["time"])
    return UUID(plain["id"])
