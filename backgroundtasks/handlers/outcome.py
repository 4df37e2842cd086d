"""How a handler ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `perform` returns when it did its work."""

    #: JSON: shown with the finished run.
    result: Mapping[str, Any] = field(default_factory=dict)
    #: For people. With any, the run ends `warned` instead of `succeeded`.
    warnings: Sequence[str] = ()


class TaskFailed(Exception):
    """
    The handler gives up, with a text for people instead of a traceback.

    Args:
        text: What went wrong and, where there is something, what to do.
        temporary: It may pass by itself. Then a next attempt is made while the handler has
            attempts left; without, the run fails at once.
        retry_after: The earliest moment of that attempt from now; the handler's backoff otherwise.
    """

    def __init__(
        self, text: str, *, temporary: bool = False, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(text)
        self.temporary = temporary
        self.retry_after = retry_after
