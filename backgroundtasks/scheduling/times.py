"""Which times a schedule has; nothing here touches the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from backgroundtasks import cron
from backgroundtasks.models.schedule import Missed

if TYPE_CHECKING:
    from datetime import datetime

    from backgroundtasks.models import Schedule

#: A time that nobody fired for so long was missed; less is a keeper that was busy.
LATE: Final = timedelta(minutes=1)
#: How far back the newest due time is looked for, nearest first: few times fit in any of them
#: that has none in the one before.
_SPANS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (60, 3_600, 86_400, 32 * 86_400, 400 * 86_400)
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a due schedule is to do now."""

    #: The time that gets a run; None: none does.
    at: datetime | None
    #: The next time; None: there is none any more.
    next_at: datetime | None
    #: Nobody fired it in time.
    missed: bool


def first_time(schedule: Schedule, after: datetime) -> datetime | None:
    """
    Return the first time of a schedule strictly after `after`; None when it has ended.

    Raises:
        CronInvalid: its expression is none.
    """
    expression = cron.parse(schedule.expression)
    if schedule.starts_at is not None and schedule.starts_at > after:
        after = schedule.starts_at - timedelta(microseconds=1)
    found = expression.next_after(after)
    if found is None or (schedule.ends_at is not None and found > schedule.ends_at):
        return None
    return found


def turn(schedule: Schedule, now: datetime) -> Turn:
    """
    Return what a schedule whose `next_at` has come is to do.

    Raises:
        CronInvalid: its expression is none.
    """
    due = schedule.next_at
    assert due is not None  # noqa: S101 - it is due
    at: datetime | None
    missed = now - due > LATE
    if not missed:
        at, after = due, due
    elif schedule.missed == Missed.SKIP:
        at, after = None, now - LATE
    else:
        at = after = _newest(schedule, due, now)
    is_last = at is not None and schedule.runs_made + 1 == schedule.max_runs
    return Turn(at, None if is_last else first_time(schedule, after), missed)


def _newest(schedule: Schedule, due: datetime, now: datetime) -> datetime:
    """Return the newest time from `due` on that is not after `now`."""
    expression = cron.parse(schedule.expression)
    end = now if schedule.ends_at is None else min(now, schedule.ends_at)
    for span in _SPANS:
        newest = None
        found = expression.next_after(max(due, end - span) - timedelta(microseconds=1))
        while found is not None and found <= end:
            newest = found
            found = expression.next_after(found)
        if newest is not None:
            return newest
    return due
