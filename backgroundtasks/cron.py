"""
When a cron expression in Quartz' language fires.

    second minute hour day-of-month month day-of-week [year]

No library reads all of it right (docs/decisions/0050-cron-of-our-own.md). Times are UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Year and month to the days of it that match, ascending.
    DaysOf = Callable[[int, int], list[int]]

#: What has not fired for so many years never will: every calendar has come by.
_HORIZON: Final = 100
_SATURDAY: Final = 5


class CronInvalid(ValueError):
    """The text is no cron expression; `position` is where it fails, counted from 0."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"{problem.removesuffix('.')} (at position {position}).")
        self.problem = problem
        self.position = position


@dataclass(frozen=True, eq=False, slots=True)
class Cron:
    """An expression that `parse` has read; its lists are ascending."""

    text: str
    seconds: list[int]
    minutes: list[int]
    hours: list[int]
    months: list[int]
    years: list[int]
    days_of: DaysOf

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time strictly after an aware moment, in UTC; None when none follows."""
        if moment.year > _YEAR.high:
            return None
        # Before the first year there is nothing; the beginning of time has no earlier zones.
        moment = max(moment, datetime(_YEAR.low - 1, 12, 31, tzinfo=UTC))
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start.date()):
            earliest = (0, 0, 0)
            if day == start.date():
                earliest = (start.hour, start.minute, start.second)
            time = self._time_from(earliest)
            if time is not None:
                return datetime(day.year, day.month, day.day, *time, tzinfo=UTC)
        return None

    def _days_from(self, start: date) -> Iterator[date]:
        """Yield the days that match, from `start` on."""
        for year in _from(self.years, start.year):
            if year > start.year + _HORIZON:
                return
            for month in _from(self.months, start.month if year == start.year else 1):
                for day in self.days_of(year, month):
                    if (found := date(year, month, day)) >= start:
                        yield found

    def _time_from(self, earliest: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """Return the first time of a day that is not before `earliest`."""
        for hour in _from(self.hours, earliest[0]):
            for minute in _from(self.minutes, earliest[1] if hour == earliest[0] else 0):
                same = (hour, minute) == earliest[:2]
                for second in _from(self.seconds, earliest[2] if same else 0):
                    return hour, minute, second
        return None


@dataclass(frozen=True, slots=True)
class _Field:
    """One place of an expression: its values, and their names from the lowest on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 1, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
    _Field("year", 1970, 2199),
)
_DAY_OF_MONTH, _DAY_OF_WEEK, _YEAR = _FIELDS[3], _FIELDS[5], _FIELDS[6]
_ITEM: Final = re.compile(
    r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]{1,4}))?"
)
_SPECIAL_OF_MONTH: Final = re.compile(
    r"L(?:-(?P<before>[0-9]{1,2}))?(?P<lastw>W)?|(?P<day>[0-9]{1,2})W"
)
_SPECIAL_OF_WEEK: Final = re.compile(r"(?P<last>\w+)L|(?P<nth>\w+)#(?P<count>[0-9]{1,2})")


def parse(text: str) -> Cron:
    """
    Read an expression, in any letter case.

    One that never fires (`0 0 0 31 2 ?`) is read as well: its `next_after` is None.

    Raises:
        CronInvalid: says what is wrong, and where.
    """
    words = [(found[0].upper(), found.start()) for found in re.finditer(r"\S+", text)]
    if not 6 <= len(words) <= 7:  # noqa: PLR2004 - the year may be left out
        raise CronInvalid(f"An expression has 6 or 7 fields, this one has {len(words)}.", len(text))
    if len(words) == 6:  # noqa: PLR2004
        words.append(("*", len(text)))
    for field, (word, at) in zip(_FIELDS, words, strict=True):
        if "?" in word and (word != "?" or field not in {_DAY_OF_MONTH, _DAY_OF_WEEK}):
            raise CronInvalid(
                "? stands alone, for one of the two day fields.", at + word.index("?")
            )
    (month_word, month_at), (week_word, week_at) = words[3], words[5]
    if (month_word == "?") == (week_word == "?"):
        raise CronInvalid("Exactly one of the two day fields must be ?.", week_at)
    seconds, minutes, hours, months, years = (
        _values(_FIELDS[place], *words[place]) for place in (0, 1, 2, 4, 6)
    )
    days = _of_month(month_word, month_at) if week_word == "?" else _of_week(week_word, week_at)
    return Cron(text, seconds, minutes, hours, months, years, days)


def _values(field: _Field, word: str, at: int) -> list[int]:
    """Return the values that a field of lists, ranges and steps names."""
    values: set[int] = set()
    for item in word.split(","):
        values.update(_range(field, item, at))
        at += len(item) + 1
    return sorted(values)


def _range(field: _Field, item: str, at: int) -> range | list[int]:
    found = _ITEM.fullmatch(item)
    if found is None:
        raise CronInvalid(f"{item!r} is no value, range or step of the field {field.name}.", at)
    step = 1
    if found["step"] is not None:
        step = int(found["step"])
        if not 1 <= step <= field.high:
            raise CronInvalid(
                f"A step of the field {field.name} is 1 to {field.high}.", at + found.start("step")
            )
    if found["all"]:
        return range(field.low, field.high + 1, step)
    first = _value(field, found["first"], at)
    if found["last"] is None:
        return range(first, (field.high if found["step"] else first) + 1, step)
    last = _value(field, found["last"], at + found.start("last"))
    if first <= last:
        return range(first, last + 1, step)
    if field is _YEAR:
        raise CronInvalid("Years do not come round again.", at)
    size = field.high - field.low + 1
    return [(value - field.low) % size + field.low for value in range(first, last + size + 1, step)]


def _value(field: _Field, word: str, at: int) -> int:
    if word in field.names:
        return field.names.index(word) + field.low
    value = int(word) if re.fullmatch(r"[0-9]{1,4}", word) else -1
    if not field.low <= value <= field.high:
        named = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise CronInvalid(f"{word!r} is no {field.name}: {field.low} to {field.high}{named}.", at)
    return value


def _of_month(word: str, at: int) -> DaysOf:
    """Return the rule of a day-of-month field; `L` and `W` stand alone there."""
    found = _SPECIAL_OF_MONTH.fullmatch(word)
    if found is None:
        days = _values(_DAY_OF_MONTH, word, at)
        return lambda year, month: days[: bisect_left(days, _length(year, month) + 1)]
    if found["day"] is not None:
        wanted = _value(_DAY_OF_MONTH, found["day"], at)
        return lambda year, month: _weekday_near(year, month, wanted)
    before = int(found["before"] or 0)
    if before > _DAY_OF_MONTH.high - 1:
        raise CronInvalid("L- takes 0 to 30 days before the last one.", at + found.start("before"))

    def days_before_the_last(year: int, month: int) -> list[int]:
        day = _length(year, month) - before
        if found["lastw"]:
            return _weekday_near(year, month, day)
        return [day] if day > 0 else []

    return days_before_the_last


def _of_week(word: str, at: int) -> DaysOf:
    """Return the rule of a day-of-week field; `L` and `#` stand alone there."""
    found = _SPECIAL_OF_WEEK.fullmatch(word)
    if found is None:
        # A bare L is the last day of a week.
        days = [7] if word == "L" else _values(_DAY_OF_WEEK, word, at)
        return lambda year, month: sorted(day for each in days for day in _all(year, month, each))
    if found["last"] is not None:
        last = _value(_DAY_OF_WEEK, found["last"], at)
        return lambda year, month: _all(year, month, last)[-1:]
    nth = _value(_DAY_OF_WEEK, found["nth"], at)
    count = int(found["count"])
    if not 1 <= count <= 5:  # noqa: PLR2004 - weeks of a month
        raise CronInvalid("# takes the 1st to the 5th of a month.", at + found.start("count"))
    return lambda year, month: _all(year, month, nth)[count - 1 : count]


def _weekday_near(year: int, month: int, day: int) -> list[int]:
    """Return the Monday to Friday nearest to a day, within its month; none without that day."""
    length = _length(year, month)
    if not 1 <= day <= length:
        return []
    weekday = date(year, month, day).weekday()
    if weekday < _SATURDAY:
        return [day]
    if weekday == _SATURDAY:
        return [day - 1 if day > 1 else day + 2]
    return [day + 1 if day < length else day - 2]


def _all(year: int, month: int, weekday: int) -> list[int]:
    """Return the days of a month that are a weekday, 1 for Sunday."""
    first_weekday, length = monthrange(year, month)
    first = (weekday - 2 - first_weekday) % 7 + 1
    return list(range(first, length + 1, 7))


def _length(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _from(values: list[int], lowest: int) -> list[int]:
    """Return those of ascending values that are not below `lowest`."""
    return values[bisect_left(values, lowest) :]
