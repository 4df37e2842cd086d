"""
Starting child runs: a use case, so what does it lies above the engine and is put in here.

`apps.ready` does that, so every process that can run a handler can start children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from backgroundtasks.handlers import Actor
    from backgroundtasks.lifecycle.rows import Fence


class Starter(Protocol):
    """Starts a child of a run that a worker holds."""

    def __call__(
        self,
        parent: Fence,
        actor: Actor,
        task_type: str,
        parameters: dict[str, Any],
        *,
        key: str,
        number: int,
        title: str,
        labels: Mapping[str, str] | None,
    ) -> UUID:
        """Return the id of the child's run, of the known one when the key was used before."""


_starter: Starter | None = None


def install(starter: Starter) -> None:
    """Have children started by `starter`."""
    global _starter  # noqa: PLW0603 - one per process, put in when the apps are loaded
    _starter = starter


def starter() -> Starter:
    """Return what starts children."""
    assert _starter is not None  # noqa: S101 - installed by `apps.ready`
    return _starter
