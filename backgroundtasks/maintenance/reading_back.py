"""Reading a backup back: beside its writing, where its store gives what it has already."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backgroundtasks.maintenance.manifest import Manifest
    from backgroundtasks.maintenance.stores import Draft

#: Seconds between two reports of how far it is.
_LOOK: Final = 0.1


class ReadingBack:
    """
    Reads a draft while it is written.

    What it has done is reported by whoever writes: a run's context belongs to one thread.
    """

    def __init__(
        self,
        draft: Draft,
        verify: Callable[[Draft, Callable[[int], None]], Manifest],
        told: Callable[[int], None],
    ) -> None:
        self._draft = draft
        self._verify = verify
        self._told = told
        self._read = 0
        self._reported = 0
        self._pool = ThreadPoolExecutor(1, "read-back")
        self._future: Future[Manifest] | None = None
        if draft.can_follow:
            self._future = self._pool.submit(verify, draft, self._count)

    def add(self, count: int) -> None:
        """
        Report that so many bytes were written, and what was read meanwhile.

        Raises:
            BackupUnusable: what was written so far is not what it should be.
        """
        if self._future is not None and self._future.done():
            self._future.result()
        read = self._read
        count += read - self._reported
        self._reported = read
        self._told(count)

    def result(self) -> Manifest:
        """
        Read the rest of what is now written; return what it says of itself.

        Raises:
            BackupUnusable: it is not whole.
        """
        if self._future is None:
            return self._verify(self._draft, self._told)
        while not wait([self._future], _LOOK).done:
            self.add(0)
        self.add(0)
        return self._future.result()

    def end(self) -> None:
        """Stop, whether all was read or not."""
        self._draft.give_up()
        self._pool.shutdown()

    def _count(self, count: int) -> None:
        self._read += count


@contextmanager
def reading_back(
    draft: Draft,
    verify: Callable[[Draft, Callable[[int], None]], Manifest],
    told: Callable[[int], None],
) -> Iterator[ReadingBack]:
    """Read a draft back within a context, in which it is written."""
    reading = ReadingBack(draft, verify, told)
    try:
        yield reading
    finally:
        reading.end()
