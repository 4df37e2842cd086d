"""A worker inside the test's own process, and task types made for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backgroundtasks.engine import executor
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import TaskHandler, permissions, registry


class Asked:
    """A stop flag that the test sets."""

    age: float | None = None


@pytest.fixture
def stop_flag() -> Asked:
    return Asked()


@pytest.fixture
def drainer(stop_flag: Asked) -> Drainer:
    """A worker whose pulse does not beat by itself."""
    return Drainer(["default", "side"], stop_flag=stop_flag)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_remembered_actors() -> None:
    executor._actors.clear()


@pytest.fixture
def make_handler() -> Iterator[Callable[..., type[TaskHandler]]]:
    """Make a task type that performs a function: `make_handler(perform, idempotent=True)`."""
    made: list[str] = []

    def make(perform: Callable[..., Any], *, name: str = "Played", **values: Any) -> Any:
        def call(_self: Any, context: Any, parameters: Any) -> Any:
            return perform(context, parameters)

        members = {
            "task_type": name,
            "permissions": (permissions.Role("member"),),
            "perform": call,
            **values,
        }
        made.append(name.lower())
        return type(name, (TaskHandler,), members)

    yield make
    for name in made:
        registry._handlers.pop(name, None)
