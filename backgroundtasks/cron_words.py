"""A cron expression in words, for people; the times themselves are `cron`'s."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from cron_descriptor import Options, get_description

#: A bare L, the last day of a week, is a word that the library does not know.
_LAST_DAY_OF_WEEK: Final = re.compile(r"^(\S+(?: \S+){4}) L\b", re.IGNORECASE)


@lru_cache(maxsize=2000)
def in_words(expression: str) -> str:
    """Return `At 04:00, only on Saturday` for `0 0 4 ? * 7`; empty for what is no expression."""
    options = Options()
    options.day_of_week_start_index_zero = False
    options.use_24hour_time_format = True
    text = _LAST_DAY_OF_WEEK.sub(r"\1 7", " ".join(expression.split()))
    try:
        return str(get_description(text, options))
    except Exception:  # noqa: BLE001 - whatever it cannot read has no words
        return ""
