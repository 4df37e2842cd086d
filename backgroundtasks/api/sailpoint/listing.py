"""Pages of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backgroundtasks.api.sailpoint import filters, finding, reading
from backgroundtasks.api.sailpoint.pagination import read_window

if TYPE_CHECKING:
    from django.http import QueryDict

    from backgroundtasks.api.sailpoint.finding import Search
    from backgroundtasks.api.sailpoint.pagination import Window
    from backgroundtasks.api.sailpoint.reading import Id
    from backgroundtasks.api.sailpoint.versions import Version
    from backgroundtasks.api.sailpoint.vocabulary import Row, Said
    from backgroundtasks.handlers import Actor


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    rows: list[Row]
    said: dict[Id, list[Said]]
    #: How many fit altogether; None when nobody asked.
    total: int | None


def page(actor: Actor, version: Version, query: QueryDict) -> Page:
    """
    Return a page of the runs that the actor may see.

    Raises:
        Problem: a parameter that does not fit.
    """
    window = read_window(query)
    text = query.get("filters", "")
    search = finding.EVERYTHING
    if text:
        search = finding.search_for(actor, filters.parse(text, version.operators))
    return _page(actor, search, window)


def pending_page(actor: Actor, query: QueryDict) -> Page:
    """
    Return a page of those that have not finished; filters and sorters are not looked at.

    Raises:
        Problem: a parameter that does not fit.
    """
    return _page(actor, finding.PENDING, read_window(query, sortable=False))


def _page(actor: Actor, search: Search, window: Window) -> Page:
    total = finding.count(actor, search) if window.counted else None
    if window.limit == 0:
        return Page([], {}, total)
    rows = finding.read_page(actor, search, window)
    said = reading.read_messages([row.id for row in rows], most=reading.MESSAGES_IN_LIST)
    return Page(rows, said, total)
