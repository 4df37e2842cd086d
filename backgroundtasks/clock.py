"""The one place that asks what time it is, so that tests can move it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


_last_position = 0


def position() -> int:
    """
    Return the next place in a queue: nanoseconds since 1970, strictly rising in a process.

    Random ids give no order within one bulk submission, and neither does a timestamp that
    many rows share. Between machines the order is as good as their clocks.
    """
    global _last_position  # noqa: PLW0603 - a counter is state
    _last_position = max(_last_position + 1, time.time_ns())
    return _last_position


def position_at(moment: datetime) -> int:
    """Return the place in a queue of something that was put there at this moment."""
    return int(moment.timestamp() * 1_000_000) * 1000
