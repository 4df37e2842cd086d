"""How runs are written to a terminal and to scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backgroundtasks import queries
from backgroundtasks.handlers import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus

_MOST_CHILDREN = 100


def as_json(value: Any) -> str:
    """Return JSON for scripts: indented, letters as they are."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns, two spaces apart, with a line of heads."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def moment(at: datetime | None) -> str | None:
    """Return a time as `2011-12-31T21:50:00Z`, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def summary(run: TaskStatus) -> dict[str, Any]:
    """Return what a list shows of a run; needs its task and its owner, makes no query."""
    return {
        "id": str(run.pk),
        "type": run.task_type,
        "state": run.state,
        "title": run.task.title,
        "labels": run.task.labels,
        "account": str(run.account_id),
        "owner": run.owner.get_username() if run.owner else None,
        "queue": run.queue,
        "priority": run.priority,
        "attempt": run.attempt,
        "queued_at": moment(run.queued_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "processed": run.processed,
        "total": run.total,
        "text": run.text,
        "error": run.error,
    }


def details(actor: Actor, run: TaskStatus) -> dict[str, Any]:
    """Return all of a run that the actor sees; secrets are masked, workers are `host:pid`."""
    attempts = queries.list_attempts(run)
    workers = queries.worker_names({run.worker_id, *(attempt.worker_id for attempt in attempts)})
    return summary(run) | {
        "task": str(run.task_id),
        "origin": run.task.origin,
        "parameters": secrets.mask(run.task.parameters),
        "resource": run.task.resource,
        "run_after": moment(run.run_after),
        "worker": workers.get(run.worker_id),
        "lease_until": moment(run.lease_until),
        "expires_at": moment(run.expires_at),
        "result": run.result,
        "retry_of": str(run.retry_of_id) if run.retry_of_id else None,
        "retried_as": [str(pk) for pk in queries.retries_of(run)],
        "parent": str(run.parent_id) if run.parent_id else None,
        "children": [
            {"id": str(child.pk), "type": child.task_type, "state": child.state}
            for child in queries.first_children(actor, run.pk, _MOST_CHILDREN)
        ],
        "attempts": [
            {
                "number": attempt.number,
                "worker": workers.get(attempt.worker_id),
                "started_at": moment(attempt.started_at),
                "finished_at": moment(attempt.finished_at),
                "outcome": attempt.outcome,
                "error": attempt.error,
            }
            for attempt in attempts
        ],
        "messages": [
            {
                "at": moment(message.created_at),
                "level": message.level,
                "key": message.key,
                "text": message.text,
                "parameters": message.parameters,
                "attempt": message.attempt,
            }
            for message in run.messages.order_by("pk")
        ],
    }


def progress(processed: int, total: int) -> str:
    """Return `3/10`, or `3` while nothing is counted."""
    return f"{processed}/{total}" if total else str(processed)


def lines(described: dict[str, Any]) -> list[str]:
    """Return `details` for people: one line a value that says something."""
    found = []
    for name, value in described.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, list) and isinstance(value[0], dict):
            found.append(f"{name}:")
            found += ["  " + _one_line(inner) for inner in value]
        elif isinstance(value, dict):
            found.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
        elif isinstance(value, list):
            found.append(f"{name}: {', '.join(value)}")
        else:
            found.append(f"{name}: {value}")
    return found


def _one_line(values: dict[str, Any]) -> str:
    said = [
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
        for value in values.values()
        if value not in (None, "", {})
    ]
    return "  ".join(said)
