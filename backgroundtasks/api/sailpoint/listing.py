"""Pages of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backgroundtasks.api.sailpoint import reading
from backgroundtasks.api.sailpoint.pagination import read_window
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import QueryDict

    from backgroundtasks.api.sailpoint.pagination import Window
    from backgroundtasks.api.sailpoint.reading import Id
    from backgroundtasks.api.sailpoint.vocabulary import Row, Said
    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    rows: list[Row]
    said: dict[Id, list[Said]]
    #: How many fit altogether; None when nobody asked.
    total: int | None


def page(actor: Actor, query: QueryDict) -> Page:
    """
    Return a page of the runs that the actor may see.

    Raises:
        Problem: a parameter that does not fit.
    """
    window = read_window(query)
    return _page(reading.shown_runs(actor), window)


def pending_page(actor: Actor, query: QueryDict) -> Page:
    """
    Return a page of those that have not finished; filters and sorters are not looked at.

    Raises:
        Problem: a parameter that does not fit.
    """
    window = read_window(query, sortable=False)
    return _page(reading.shown_runs(actor).exclude(state__in=FINAL), window)


def _page(runs: QuerySet[TaskStatus], window: Window) -> Page:
    total = runs.count() if window.counted else None
    if window.limit == 0:
        return Page([], {}, total)
    ordered = runs.order_by("-position" if window.newest_first else "position", "pk")
    rows = reading.read_rows(ordered[window.offset : window.offset + window.limit])
    said = reading.read_messages([row.id for row in rows], most=reading.MESSAGES_IN_LIST)
    return Page(rows, said, total)
