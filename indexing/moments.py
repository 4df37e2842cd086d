"""Moments as people write them in a query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

#: `2024-03-05`
_DATE = 10
#: Beyond these, a zone or the end of the day leaves what Python and the databases can write.
_FIRST_YEAR, _LAST_YEAR = 1000, 9998


@dataclass(frozen=True, slots=True)
class Span:
    """What a written moment covers: from `start` up to, but without, `end`; both aware."""

    start: datetime
    end: datetime


def read_span(text: str, zone: tzinfo) -> Span:
    """
    Return what a moment covers.

    Args:
        text: ISO 8601. A date covers its day, a time without seconds its minute, one with
            seconds its second: `2024-03-05`, `2024-03-05T08:15`, `2024-03-05T08:15:42Z`.
        zone: Where it is meant, when it does not say.

    Raises:
        ValueError: it is none of these.
    """
    if len(text) < _DATE or text[4] != "-" or not _FIRST_YEAR <= int(text[:4]) <= _LAST_YEAR:
        raise ValueError(text)
    if len(text) == _DATE:
        day = date.fromisoformat(text)
        # The next midnight there, which is not always 24 hours on.
        midnights = (
            datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1))
        )
        return Span(*midnights)
    moment = datetime.fromisoformat(text)
    start = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return Span(start, start + _covered(moment, text))


def _covered(moment: datetime, text: str) -> timedelta:
    if moment.microsecond:
        return timedelta(microseconds=1)
    has_seconds = text[16:17] == ":"  # 2024-03-05T08:15:42
    return timedelta(seconds=1) if has_seconds else timedelta(minutes=1)
