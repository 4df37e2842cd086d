"""The query parameters of the list, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import conf
from backgroundtasks.api.astra import continuation, filters
from backgroundtasks.api.astra.errors import INVALID_PARAMETERS, UNKNOWN_PARAMETERS, Problem
from backgroundtasks.api.astra.fields import FIELDS, MEMBERS, ORDERED

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict

    from backgroundtasks.api.astra.continuation import Place
    from backgroundtasks.api.astra.filters import Condition

#: What the vendor documents for tasks.
DOCUMENTED: Final = ("include", "limit", "filter")
#: What it documents for other collections; refused where `conf.ASTRA_STRICT` says so.
FURTHER: Final = ("skip", "orderBy", "count", "continue")
#: Names of one `include`.
MOST_NAMES: Final = 100
_LARGEST: Final = 2**31 - 1
_WHOLE: Final = re.compile("[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list was asked for."""

    #: Members of each item, in this order; empty: whole tasks.
    include: tuple[str, ...]
    limit: int
    skip: int
    conditions: tuple[Condition, ...]
    #: A member; empty: the newest first.
    order: str
    descending: bool
    counted: bool
    place: Place | None


def refuse_unknown(request: HttpRequest, known: tuple[str, ...]) -> None:
    """
    Refuse parameters that are not known here.

    Raises:
        Problem: names each of them.
    """
    unknown = [name for name in request.GET if name not in known]
    if unknown:
        reason = f"known here: {', '.join(known)}" if known else "this takes no parameters"
        raise Problem(
            UNKNOWN_PARAMETERS,
            "There are query parameters that this address does not know.",
            invalid=[(name, reason) for name in unknown],
        )


def read(request: HttpRequest) -> Wanted:
    """
    Return what the query string asks for.

    Raises:
        Problem: a parameter that is unknown, or whose value does not fit; names each of them.
    """
    refuse_unknown(request, DOCUMENTED if conf.ASTRA_STRICT else (*DOCUMENTED, *FURTHER))
    given = _Given(request.GET)
    largest: int = conf.ASTRA_PAGE
    order, descending = given.one("orderBy", _order, ("", False))
    wanted = Wanted(
        include=given.one("include", _names, ()),
        # A larger one is met by several pages.
        limit=min(given.one("limit", _whole, largest), largest),
        skip=given.one("skip", _whole, 0),
        conditions=tuple(given.every("filter", filters.parse)),
        order=order,
        descending=descending,
        counted=given.one("count", _true, default=False),
        place=given.one("continue", lambda text: continuation.read(text, order, descending), None),
    )
    refuse_invalid(given.invalid)
    return wanted


def refuse_invalid(invalid: list[tuple[str, str]]) -> None:
    """
    Refuse values that do not fit, if there are any.

    Raises:
        Problem: names each parameter, with the reason.
    """
    if invalid:
        raise Problem(
            INVALID_PARAMETERS,
            "There are query parameters with values that do not fit.",
            invalid=invalid,
        )


class _Given:
    """Reads parameters, and collects what is wrong with them."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query
        self.invalid: list[tuple[str, str]] = []

    def one(self, name: str, read: Callable[[str], Any], default: Any) -> Any:
        texts = self._query.getlist(name)
        if not texts:
            return default
        if len(texts) > 1:
            self.invalid.append((name, "it may be given once"))
            return default
        try:
            return read(texts[0])
        except ValueError as error:
            self.invalid.append((name, str(error)))
            return default

    def every(self, name: str, read: Callable[[str], list[Any]]) -> list[Any]:
        found: list[Any] = []
        for text in self._query.getlist(name):
            try:
                found += read(text)
            except ValueError as error:
                self.invalid.append((name, str(error)))
                break
            if len(found) > filters.MOST:
                self.invalid.append((name, f"there are more than {filters.MOST} conditions"))
                break
        return found


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("must be a whole number above zero, without a sign")
    # No database has as many rows, and none takes a larger number.
    return int(text) if len(text) <= len(str(_LARGEST)) else _LARGEST


def _names(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if len(names) > MOST_NAMES:
        raise ValueError(f"names at most {MOST_NAMES} members")
    for name in names:
        if name not in MEMBERS:
            raise ValueError(f"a task has no member {name[:50]!r}")
    return tuple(names)


def _order(text: str) -> tuple[str, bool]:
    name = text.removesuffix(" desc")
    if name not in ORDERED:
        what = (
            "cannot be sorted by" if name in FIELDS or name in MEMBERS else "a task has no member"
        )
        raise ValueError(
            f"{what} {name[:50]!r}; one of {', '.join(ORDERED)}, and ' desc' behind it"
        )
    return name, name != text


def _true(text: str) -> bool:
    if text != "true":
        raise ValueError("must be true, or left out")
    return True
