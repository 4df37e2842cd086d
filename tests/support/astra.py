"""Astra's list and task, called as its clients do, each answer held against the schema."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from backgroundtasks.models import TaskStatus
    from tests.support.http import Caller

SCHEMA = Path(__file__).resolve().parents[1] / "dialects" / "astra" / "schema.json"
SHORTCUT = "backgroundtasks.api.astra.shortcut.Shortcut"


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def valid(kind: str, document: Any) -> Any:
    """Return a `task`, `list` or `problem` that is as the schema says."""
    problems = [
        f"{error.json_path}: {error.message}" for error in _validator(kind).iter_errors(document)
    ]
    assert not problems, problems
    return document


def tasks_path(caller: Caller) -> str:
    return f"/accounts/{caller.actor.account.pk}/core/v1/tasks"


def path_of(run: TaskStatus) -> str:
    return f"/accounts/{run.account_id}/core/v1/tasks/{run.pk}"


def shown(caller: Caller, run: TaskStatus) -> Any:
    """Return a task as it is shown."""
    answer = caller.get(path_of(run))
    assert answer.status_code == 200, answer.content
    return valid("task", answer.json())


def get_list(caller: Caller, *filters: str, **query: Any) -> Any:
    """Return the answer to a list; several filters are repeated parameters."""
    pairs = [("filter", text) for text in filters] + list(query.items())
    return caller.get(f"{tasks_path(caller)}?{urlencode(pairs)}")


def listed(caller: Caller, *filters: str, **query: Any) -> Any:
    """Return a page."""
    answer = get_list(caller, *filters, **query)
    assert answer.status_code == 200, answer.content
    page = answer.json()
    return page if "include" in query else valid("list", page)


def ids(caller: Caller, *filters: str, **query: Any) -> list[str]:
    """Return the ids of a page's tasks."""
    return [item[0] for item in listed(caller, *filters, include="id", **query)["items"]]


def problem(answer: Any, number: int) -> Any:
    """Return the problem that an answer is, of this number."""
    body = valid("problem", answer.json())
    assert answer["Content-Type"] == "application/problem+json"
    assert body["type"] == f"https://astra.netapp.io/problems/{number}", body
    assert body["status"] == str(answer.status_code)
    return body


class Crashing:
    """A middleware that fails."""

    def __init__(self, _get_response: Any) -> None: ...

    def __call__(self, _request: Any) -> Any:
        raise RuntimeError
