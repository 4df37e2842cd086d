"""What tests of the SailPoint dialect share."""

from __future__ import annotations

from typing import Any

from backgroundtasks import clock
from backgroundtasks.models import TaskStatus
from tests.support import factories
from tests.support.http import Caller

#: Version to the path of its list.
BASES = {
    "v1": "/task-status/v1",
    "v2026": "/v2026/task-status",
    "v2025": "/v2025/task-status",
    "v2024": "/v2024/task-status",
    "beta": "/beta/task-status",
}
#: Those that have `pending-tasks`.
PENDING = {name: base for name, base in BASES.items() if name != "v1"}
#: Of a task, in the vendor's order.
MEMBERS = [
    "id",
    "type",
    "uniqueName",
    "description",
    "parentName",
    "launcher",
    "target",
    "created",
    "modified",
    "launched",
    "completed",
    "completionStatus",
    "messages",
    "returns",
    "attributes",
    "progress",
    "percentComplete",
    "taskDefinitionSummary",
]


def ids(answer: Any) -> list[str]:
    """Return the ids of a page."""
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()]


def runs(me: Caller, count: int, **values: Any) -> list[TaskStatus]:
    """Store runs; return them newest first."""
    made = [factories.run(owner=me.actor, **values) for _ in range(count)]
    return made[::-1]


def days_ago(days: float) -> int:
    """Return the place of a run that was queued then."""
    return clock.position_at(clock.now()) - int(days * 86_400 * 1_000_000_000)
