"""
When a task runs, in ArcGIS' parameters: five cron fields, two dates, a number of times.

The vendor's Python API splits a Unix expression into the five fields, so both day fields may be
`*`, which Quartz refuses: the one of the week is read as `?` then. Its `0` for Sunday is refused,
as it would be another day here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import cron
from backgroundtasks.api.arcgis import values
from backgroundtasks.api.arcgis.errors import Problem, invalid
from backgroundtasks.api.arcgis.vocabulary import CRON_FIELDS, UNLIMITED
from backgroundtasks.cron import CronInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from backgroundtasks.api.arcgis.parameters import Given
    from backgroundtasks.models import Schedule

_DAY_OF_MONTH, _DAY_OF_WEEK = "dayOfMonth", "dayOfWeek"
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
#: A value 0 of a list, a range, or before `#` and `L`; a step is none.
_ZERO: Final = re.compile(r"(?<![0-9/#])0+(?![0-9])")
_ONE_DAY: Final = (
    "dayOfMonth and dayOfWeek cannot both restrict the days: one of them is ?, which means any."
)


def timing(given: Given, schedule: Schedule | None = None) -> dict[str, Any]:
    """
    Return the fields of `operations.Timing` that were given.

    Args:
        given: What was sent.
        schedule: The one to be changed; fields that are not sent stay. None: a new one, which
            needs all cron fields.

    Raises:
        Problem: names every parameter that does not fit.
    """
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, read in (
        ("expression", lambda: _expression(given, schedule)),
        ("starts_at", lambda: _date(given, "startDate")),
        ("ends_at", lambda: _date(given, "endDate")),
        ("max_runs", lambda: _occurrences(given)),
    ):
        try:
            for value in read():
                found[name] = value
        except ValueError as error:
            problems.append(str(error))
        except Problem as error:
            problems += error.details
    if problems:
        raise invalid(*problems)
    return found


def _expression(given: Given, schedule: Schedule | None) -> list[str]:
    """Return the expression that the cron fields make; nothing when none was sent."""
    sent = {name: given.word(name) for name in CRON_FIELDS if given.word(name)}
    if schedule is None:
        missing = [name for name in CRON_FIELDS if name not in sent]
        if missing:
            raise ValueError(f"{', '.join(missing)}: required.")
        second, year = "0", []
    elif not sent:
        return []
    else:
        second, *fields = schedule.expression.split()
        year = fields[5:]
        sent = _kept_beside(sent, dict(zip(CRON_FIELDS, fields, strict=False)))
    for name, text in sent.items():
        _require_field(name, text)
    days = _quartz_days(sent[_DAY_OF_MONTH], sent[_DAY_OF_WEEK])
    fields = [{**sent, **days}[name] for name in CRON_FIELDS]
    expression = " ".join([second, *fields, *year])
    _require_readable(expression)
    return [expression]


def _kept_beside(sent: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return what was sent and what is known; one day field that is sent frees the other one."""
    freed = {_DAY_OF_MONTH: _DAY_OF_WEEK, _DAY_OF_WEEK: _DAY_OF_MONTH}
    kept = dict(known)
    for name, other in freed.items():
        if name in sent and other not in sent:
            kept[other] = "*" if sent[name] == "?" and known[other] == "?" else known[other]
            if sent[name] != "?":
                kept[other] = "?"
    return kept | dict(sent)


def _require_field(name: str, text: str) -> None:
    if len(text.split()) != 1:
        raise ValueError(f"{name}: one field of a cron expression has no blanks in it.")
    if name == _DAY_OF_WEEK and _ZERO.search(text):
        raise ValueError(f"{name}: 1 is Sunday and 7 is Saturday; there is no 0.")


def _quartz_days(of_month: str, of_week: str) -> dict[str, str]:
    """Return the two day fields with exactly one `?`."""
    if "?" not in {of_month, of_week}:
        if of_week == "*":
            of_week = "?"
        elif of_month == "*":
            of_month = "?"
        else:
            raise ValueError(_ONE_DAY)
    return {_DAY_OF_MONTH: of_month, _DAY_OF_WEEK: of_week}


def _require_readable(expression: str) -> None:
    """Refuse an expression that Quartz could not read; names the field."""
    try:
        cron.parse(expression)
    except CronInvalid as error:
        number = len(expression[: error.position].split(" ")) - 2
        named = CRON_FIELDS[number] if 0 <= number < len(CRON_FIELDS) else "The cron fields"
        raise ValueError(f"{named}: {error.problem}") from None


def _date(given: Given, name: str) -> list[datetime | None]:
    """Return a date; empty takes it away."""
    return [] if given.text(name) is None else [values.moment(given, name)]


def _occurrences(given: Given) -> list[int | None]:
    text = given.word("maxOccurrences")
    if not text:
        return []
    if not _WHOLE.fullmatch(text) or not (int(text) == UNLIMITED or int(text) > 0):
        raise ValueError("maxOccurrences: a whole number, 1 or more; -1 for no limit.")
    return [None if int(text) == UNLIMITED else int(text)]
