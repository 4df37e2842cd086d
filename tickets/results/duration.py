"""Durations and moments as reports write them, in all their spellings."""

import re
from datetime import UTC, datetime, timedelta

#: Longer than this (31 years, in seconds) is taken for a mistake of the reporter.
LONGEST = 1e9

_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_DECIMAL_COMMA_GROUPED = re.compile(r"\d{1,3}(\.\d{3})+,\d+")


def seconds(text: str) -> float | None:
    """
    Return a `time` attribute in seconds; None when it is no duration.

    `1.5` is 1.5; `1,234.5` and `1,234` use the comma for thousands; `0,003` and
    `1.234,5` for decimals. Negative, not a number and infinite are no durations.
    """
    try:
        value = float(text)
    except ValueError:
        value = _localised(text.strip())
    return value if 0.0 <= value <= LONGEST else None


def _localised(text: str) -> float:
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    if _DECIMAL_COMMA_GROUPED.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    return -1.0


def moment(text: str) -> datetime | None:
    """Return a `timestamp` attribute as aware UTC (a naive one is taken as UTC); None when unreadable."""
    try:
        parsed = datetime.fromisoformat(text.strip())
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def later(start: datetime | None, lasted: float | None) -> datetime | None:
    """Return the end of what began at `start`; None when either is unknown."""
    if start is None or lasted is None:
        return None
    try:
        return start + timedelta(seconds=lasted)
    except OverflowError:
        return None
