"""`limit`, `offset`, `count` and `sorters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backgroundtasks.api.sailpoint.errors import illegal_value

if TYPE_CHECKING:
    from django.http import QueryDict

LARGEST: Final = 250
#: Both are `int32` in the vendor's document.
FURTHEST: Final = 2**31 - 1
SORTED_BY: Final = "created"


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list was asked for."""

    limit: int
    offset: int
    #: `X-Total-Count` is wanted.
    counted: bool
    newest_first: bool = True


def read_window(query: QueryDict, *, sortable: bool = True) -> Window:
    """
    Return what the query string asks for; newest first unless it says otherwise.

    Raises:
        Problem: no number, one out of range, no boolean, or a field that cannot be sorted by.
    """
    counted = query.get("count", "false").lower()
    if counted not in {"true", "false"}:
        raise illegal_value("count must be true or false.")
    return Window(
        limit=_number(query, "limit", LARGEST, LARGEST),
        offset=_number(query, "offset", 0, FURTHEST),
        counted=counted == "true",
        newest_first=_newest_first(query.get("sorters", "")) if sortable else True,
    )


def _number(query: QueryDict, name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or int(text) > most:
        raise illegal_value(f"{name} must be a whole number of 0 to {most}.")
    return int(text)


def _newest_first(sorters: str) -> bool:
    """Return the direction; of a field that is named twice the first one counts."""
    if not sorters:
        return True
    names = [name.strip() for name in sorters.split(",")]
    for name in names:
        if name.removeprefix("-") != SORTED_BY:
            raise illegal_value(
                f'sorters takes created and -created here, and no field "{name[:50]}".'
            )
    return names[0].startswith("-")
