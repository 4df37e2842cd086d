"""How far a run of several attempts is: counted, shown, and kept in its memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.handlers import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from backgroundtasks.handlers import TaskContext

#: The memory is stored this often; after a crash at most this much is done again.
_REMEMBER_EVERY: Final = 1.0  # seconds


class Tally:
    """The elements that a run has done, over all of its attempts."""

    def __init__(self, context: TaskContext, total: Callable[[], int], text: str) -> None:
        """Go on where an earlier attempt stopped; only the first one asks how many there are."""
        self._context = context
        if "total" not in context.memory:
            context.progress(0, 0, text)
            context.remember(total=total())
        self.total: int = context.memory["total"]
        self.done: int = context.memory.get("done", 0)
        self._text = text
        self._remembered_at = time.monotonic()
        self._show()

    def advance(self, count: int = 1, **memory: Any) -> None:
        """
        Count what a batch did; stop here if the run must stop.

        Args:
            count: Elements.
            memory: Where the next attempt goes on.
        """
        self.done += count
        self._context.memory.update(memory)
        self._show()
        if time.monotonic() - self._remembered_at >= _REMEMBER_EVERY:
            self.remember()
        try:
            self._context.checkpoint(safe=True)
        except Interrupted:
            self.remember()
            raise

    def remember(self) -> None:
        """Store where the run is."""
        self._remembered_at = time.monotonic()
        self._context.remember(done=self.done)

    def end(self) -> None:
        """Show that all is done; elements may have come and gone since they were counted."""
        self._context.progress(self.total, self.total, self._text)

    def _show(self) -> None:
        self._context.progress(min(self.done, self.total), self.total, self._text)
