"""When a tracker wants to be asked again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from backgroundtasks import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

#: No tracker may put a run off for longer.
LIMIT: Final = timedelta(hours=1)
#: Headers with the moment from which requests are free again, where `Retry-After` is missing.
_RESETS: Final = ("x-ratelimit-reset", "ratelimit-reset")
#: A number above it is a moment in seconds since 1970, one below it a wait in seconds.
_EPOCH: Final = 10**9


def retry_after(headers: Mapping[str, str], *, limited: bool = True) -> timedelta | None:
    """
    Return how long to wait, at most an hour; None when the headers do not say.

    `Retry-After` is taken as seconds, whole or not, or as a date of HTTP; what is in the
    past is now. Without it the moment of a rate limit's reset is taken, which is seconds
    from now (RFC draft), seconds since 1970 (GitHub) or an ISO moment (Jira).

    Args:
        headers: Of the answer, their names in lower case.
        limited: Whether the answer says that there were too many requests: the moment of a
            rate limit's reset, which some trackers name in every answer, counts only then.
    """
    found = _wait(headers.get("retry-after", ""))
    for name in _RESETS if limited else ():
        if found is None:
            found = _wait(headers.get(name, ""))
    if found is None:
        return None
    return min(max(found, timedelta()), LIMIT)


def _wait(text: str) -> timedelta | None:
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        moment = _moment(text)
        return None if moment is None else moment - clock.now()
    if not math.isfinite(seconds):
        return None
    if seconds > _EPOCH:
        seconds -= clock.now().timestamp()
    return timedelta(seconds=min(max(seconds, 0), LIMIT.total_seconds()))


def _moment(text: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
