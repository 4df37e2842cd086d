"""
Lists that come in several answers.

What changed is walked oldest first, over answers that move while they are read.

A ticket that changes meanwhile leaves its place and comes again at the end, which shifts all
pages behind it: numbers of pages would leave something out. So the next page begins at the
moment where the last one ended, and leaves out what was seen at that very moment.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tickets.trackers import errors
from tickets.trackers.protocol import Page, Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tickets.trackers.protocol import Ticket

T = TypeVar("T")


def walk(
    fetch: Callable[[datetime, Any], tuple[Sequence[Ticket | Unread], Any]],
    since: datetime,
    limit: int,
    cursor: str | None,
) -> Page[Ticket]:
    """
    Return the next page of changes.

    Args:
        fetch: Takes a moment and a token (None at first); returns tickets that changed at the
            moment or later, oldest first, and the token of what follows them, None at the
            end. May return older ones, too, and what it cannot read.
        since: Where the first page begins.
        limit: Tickets of a page.
        cursor: Of the page before.
    """
    moment, seen = _read(cursor) if cursor else (since, set[str]())
    found: list[Ticket] = []
    unread: list[Unread] = []
    token: Any = None
    while True:
        rows, token = fetch(moment, token)
        unread += [row for row in rows if isinstance(row, Unread)]
        found += [
            row
            for row in rows
            if not isinstance(row, Unread)
            and (row.updated_at > moment or (row.updated_at == moment and row.id not in seen))
        ]
        if len(found) > limit or token is None:
            break
    page = found[:limit]
    if len(found) <= limit or not page:
        return Page(page, unread=unread)
    last = page[-1].updated_at
    at_last = {ticket.id for ticket in page if ticket.updated_at == last}
    return Page(page, _write(last, at_last | seen if last == moment else at_last), unread)


def whole(
    read: Callable[[int, int], Sequence[T]],
    begin: int,
    size: int,
    *,
    instead: Callable[[errors.AnswerTooLarge], T] | None = None,
) -> list[T]:
    """
    Return rows of a list whose long texts may make an answer larger than we take.

    Then they are asked for in pieces, each a divisor of the last one, so that trackers can be
    asked that know only numbers of pages of one size.

    Args:
        read: Takes how many rows to leave out, and how many to return at most.
        begin: Rows to leave out; a multiple of `size` where the tracker knows pages.
        size: Rows, at most.
        instead: Returns what stands for a row that is too large by itself.

    Raises:
        AnswerTooLarge: a single row is, and nothing stands for it.
    """
    try:
        return list(read(begin, size))
    except errors.AnswerTooLarge as error:
        if size == 1:
            if instead is None:
                raise
            return [instead(error)]
    piece = next(number for number in range(size // 2, 0, -1) if size % number == 0)
    rows: list[T] = []
    for at in range(begin, begin + size, piece):
        found = whole(read, at, piece, instead=instead)
        rows += found
        if len(found) < piece:
            break
    return rows


def _read(cursor: str) -> tuple[datetime, set[str]]:
    moment, _, seen = cursor.partition("|")
    return datetime.fromisoformat(moment).astimezone(UTC), set(seen.split(","))


def _write(moment: datetime, seen: set[str]) -> str:
    return f"{moment.isoformat()}|{','.join(sorted(seen))}"
