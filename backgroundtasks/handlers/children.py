"""Child runs, as the handler that started them sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backgroundtasks.states import FINAL, GOOD, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

_LONGEST_KEY = 100


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a handler started, as it is now."""

    #: The handler's own name for it.
    key: str
    run_id: UUID
    task_type: str
    state: State
    #: The values of its outcome; empty until it has ended well.
    result: Mapping[str, Any] = field(default_factory=dict)
    #: Why it did not end well, for people; empty otherwise.
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it never changes again."""
        return self.state in FINAL

    @property
    def ended_well(self) -> bool:
        """Whether it did what it should, perhaps with warnings."""
        return self.state in GOOD


def checked_key(key: str) -> str:
    """
    Return the key of a child.

    Raises:
        ValueError: it is empty, or longer than 100 characters.
    """
    if not key or len(key) > _LONGEST_KEY:
        raise ValueError(f"The key of a child has 1 to {_LONGEST_KEY} characters: {key!r}.")
    return key
