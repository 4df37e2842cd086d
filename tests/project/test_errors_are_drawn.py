"""The tree on top of `exceptions.py` is the tree of its classes, and every error can be made."""

from __future__ import annotations

import inspect
import re
from uuid import UUID

import pytest

from backgroundtasks import exceptions
from backgroundtasks.exceptions import TaskCenterError

CLASSES = [
    member
    for _, member in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(member, TaskCenterError)
]
# A value for each parameter that an error of the tree takes.
VALUES: dict[str, object] = {
    "task_type": "Reindex",
    "problems": {"Optimize": ["Must be a valid boolean."]},
    "what": "start Reindex",
    "lack": "the role member",
    "key": "a-key",
    "username": "charlie",
    "run_id": UUID(int=1),
    "task_id": UUID(int=2),
    "found": "running",
    "wanted": "queued",
    "advice": "Pause its queue.",
    "scope": "tasks:all",
    "known": ["tasks:read", "tasks:write"],
}


def drawn() -> dict[str, tuple[str | None, str]]:
    """Return class name to (parent's name, code) as the module's docstring draws them."""
    found: dict[str, tuple[str | None, str]] = {}
    above: dict[int, str] = {}
    for line in (exceptions.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z]\w+) +(\w+)$", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found[match[2]] = (above.get(depth - 1), match[3])
    return found


def test_the_drawing_is_the_tree() -> None:
    classes = {
        error.__name__: (
            None if error is TaskCenterError else error.__base__.__name__,  # type: ignore[union-attr]
            "code" if error is TaskCenterError else error.code,
        )
        for error in CLASSES
    }

    assert drawn() == classes


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_has_a_text(error: type[TaskCenterError]) -> None:
    builds_its_text = "__init__" in vars(error)
    names = list(inspect.signature(error).parameters) if builds_its_text else []

    made = error(*[VALUES[name] for name in names]) if builds_its_text else error("A text.")

    assert re.fullmatch(r"[A-Z].+\.", str(made))


def test_no_code_is_used_twice() -> None:
    codes = [error.code for error in CLASSES if error is not TaskCenterError]

    assert len(codes) == len(set(codes))
