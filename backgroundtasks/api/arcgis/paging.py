"""The envelope of lists; `start` and `num` are our extension, the vendor answers everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api.arcgis.errors import invalid
from backgroundtasks.api.arcgis.forms import FORMATS, Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from backgroundtasks.api.arcgis.parameters import Given

#: Rows of a page for people, when nobody asks for a number.
ON_A_PAGE: Final = 100
#: Rows of a page when nobody asks for fewer; a larger wish is met by several pages.
MOST: Final = 1000
_LARGEST: Final = 2**31 - 1

FIELDS: Final = (
    Field("start", "Start", "number", help="Rows to leave out; 0.", extension=True),
    Field("num", "Number", "number", help=f"Rows of a page; {MOST} at most.", extension=True),
)


def envelope(
    rows: QuerySet[Any], given: Given, show: Callable[[list[Any]], list[dict[str, Any]]]
) -> dict[str, Any]:
    """
    Return a page: `result`, `total`, `num`, `start`, `nextStart`; 0 when no page follows.

    Queries: two, and those of `show`.

    Raises:
        Problem: `start` or `num` is no number.
    """
    start = number(given, "start", 0)
    usual = ON_A_PAGE if given.format == FORMATS[0] else MOST
    most = min(number(given, "num", usual), MOST)
    total = rows.count()
    result = show(list(rows[start : start + most]))
    end = start + len(result)
    return {
        "result": result,
        "total": total,
        "num": len(result),
        "start": start,
        "nextStart": end if result and end < total else 0,
    }


def number(given: Given, name: str, default: int) -> int:
    """
    Return a number that was sent, or the default; one that is too large is cut.

    Raises:
        Problem: it is none.
    """
    text = given.word(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise invalid(f"{name} is a whole number, 0 or more.")
    return int(text) if len(text) <= len(str(_LARGEST)) else _LARGEST
