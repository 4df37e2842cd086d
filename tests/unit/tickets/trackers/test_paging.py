"""Pages of changes lead to everything, whatever changes while they are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tickets.trackers import errors, paging
from tickets.trackers.protocol import Category, Ticket

START = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)


def ticket(number: int, seconds: int) -> Ticket:
    return Ticket(
        id=str(number),
        key=f"#{number}",
        url="",
        summary="",
        status="open",
        category=Category.OPEN,
        updated_at=START + timedelta(seconds=seconds),
    )


class Tracker:
    """Answers in pages of its own size, by numbers, as most trackers do."""

    def __init__(self, *tickets: Ticket, size: int) -> None:
        self.tickets = {one.id: one for one in tickets}
        self.size = size

    def fetch(self, moment: datetime, page: Any) -> tuple[list[Ticket], Any]:
        found = sorted(
            (one for one in self.tickets.values() if one.updated_at >= moment),
            key=lambda one: (one.updated_at, -int(one.id)),
        )
        begin = self.size * (page or 0)
        more = (page or 0) + 1 if begin + self.size < len(found) else None
        return found[begin : begin + self.size], more

    def all(self, limit: int, between: Any = lambda: None) -> list[str]:
        found: list[str] = []
        cursor = None
        for _ in range(100):
            page = paging.walk(self.fetch, START, limit, cursor)
            found += [one.id for one in page.items]
            cursor = page.cursor
            if cursor is None:
                return found
            between()
        raise AssertionError("it never ends")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_everything_comes_once(limit: int, size: int) -> None:
    tracker = Tracker(*[ticket(number, number // 3) for number in range(10)], size=size)

    assert sorted(tracker.all(limit)) == [str(number) for number in range(10)]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_many_of_one_moment_come_once(limit: int) -> None:
    tracker = Tracker(*[ticket(number, 7) for number in range(8)], size=2)

    assert sorted(tracker.all(limit), key=int) == [str(number) for number in range(8)]


def test_nothing_is_left_out_when_a_ticket_leaves_its_place() -> None:
    tracker = Tracker(*[ticket(number, number) for number in range(6)], size=2)
    changes = iter([0, 1, 2])

    def change_an_early_one() -> None:
        number = next(changes, None)
        if number is not None:
            row = tracker.tickets[str(number)]
            tracker.tickets[row.id] = replace(row, updated_at=START + timedelta(minutes=1 + number))

    found = tracker.all(2, change_an_early_one)

    assert set(found) == {str(number) for number in range(6)}
    assert found[-3:] == ["0", "1", "2"]


class TestWhole:
    """A list's rows, whatever an answer may hold of them."""

    @pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 50, 100, 101])
    @pytest.mark.parametrize("most", [1, 2, 5, 1000])
    def test_has_all_rows_in_their_order(self, size: int, most: int) -> None:
        rows = list(range(120))
        asked: list[tuple[int, int]] = []

        def read(begin: int, count: int) -> list[int]:
            asked.append((begin, count))
            if len(rows[begin : begin + count]) > most:
                raise errors.AnswerTooLarge("Theirs", 100)
            return rows[begin : begin + count]

        for begin in range(0, 130, size):
            assert paging.whole(read, begin, size) == rows[begin : begin + size]
        assert all(begin % count == 0 for begin, count in asked)

    def test_ends_at_a_row_that_is_too_large_by_itself(self) -> None:
        def read(begin: int, count: int) -> list[int]:
            raise errors.AnswerTooLarge("Theirs", 100)

        with pytest.raises(errors.AnswerTooLarge):
            paging.whole(read, 0, 100)
