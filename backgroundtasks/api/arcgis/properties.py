"""Members of an answer as people read them: times, states, progress, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

#: Members that hold milliseconds since 1970: shown as times.
_TIMES: Final = frozenset(
    {"created", "updated", "modified", "lastStart", "startDate", "endDate", "nextStart"}
    | {"started", "finished", "retentionDate", "completeTime", "startTime", "starttime"}
    | {"endTime", "endtime", "updatedtime", "lastUpdated", "expires"}
)
#: What is smaller is no time, but a place in a list.
_FIRST_TIME: Final = 1_000_000_000_000
#: The last millisecond of the year 9999.
LAST_TIME: Final = 253_402_300_799_999
#: Members whose word says how something is, and the colour that goes with it.
_STATES: Final = frozenset({"taskState", "status", "state", "result"})
_TONES: Final = {
    **dict.fromkeys(("active", "available", "passed", "succeeded", "success", "COMPLETED"), "good"),
    **dict.fromkeys(("damaged", "failed", "submitfailed", "FAILED"), "bad"),
    **dict.fromkeys(("executing", "EXECUTING", "CANCELLING"), "busy"),
    **dict.fromkeys(("completed", "none", "paused", "scheduled", "skipped", "submitted"), "calm"),
    **dict.fromkeys(("CANCELLED", "SUBMITTED", "warning", "unknown"), "calm"),
}
#: Words of what goes on still.
_WORKING: Final = frozenset(
    {"scheduled", "submitted", "executing", "SUBMITTED", "EXECUTING", "CANCELLING"}
)
_PERCENT: Final = "percentComplete"
#: Lines of JSON that are shown at once; more are folded away.
_LONG: Final = 16


@dataclass(frozen=True, slots=True)
class Property:
    """One member of a resource."""

    name: str
    text: str
    #: It is JSON: shown as it is written.
    is_json: bool = False
    #: It is a time: `text` is UTC, this is ISO 8601.
    moment: str = ""
    #: What the API says of it, where `text` is something else.
    raw: str = ""
    #: It is progress: 0 to 100.
    percent: int | None = None
    #: It is a state: `good`, `bad`, `busy` or `calm`.
    tone: str = ""

    @property
    def lines(self) -> int:
        """How many there are of JSON."""
        return self.text.count("\n") + 1

    @property
    def is_long(self) -> bool:
        """Whether it is folded away at first."""
        return self.is_json and self.lines > _LONG


def property_of(name: str, value: Any) -> Property:
    """Return a member as it is shown."""
    if name in _TIMES and type(value) is int and _FIRST_TIME < value <= LAST_TIME:
        at = datetime.fromtimestamp(value / 1000, UTC)
        moment = at.isoformat(timespec="milliseconds")
        return Property(name, f"{at:%Y-%m-%d %H:%M:%S} UTC", moment=moment, raw=str(value))
    if name == _PERCENT and type(value) is int:
        return Property(name, f"{value} %", percent=value)
    if isinstance(value, dict | list) and value:
        return Property(name, json.dumps(value, ensure_ascii=False, indent=2), is_json=True)
    if isinstance(value, str):
        return Property(name, value, tone=_TONES.get(value, "") if name in _STATES else "")
    return Property(name, "" if value is None else json.dumps(value))


def is_working(body: dict[str, Any]) -> bool:
    """Return whether what an answer tells of goes on still, so that one may look again."""
    status = body.get("status")
    return isinstance(status, str) and status in _WORKING
