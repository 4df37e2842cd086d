"""Reading a file back while it is still being written: only what lies on the disk already."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from io import RawIOBase
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Bytes that are brought to the disk at a time, and seconds between two looks whether there are.
_ENOUGH: Final = 8 * 1024 * 1024
_LOOK: Final = 0.05
_PAGE: Final = os.sysconf("SC_PAGESIZE")


class Stored:
    """How much of a file has been brought to the disk, and is no longer in memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._size = 0
        self._ended = False
        self._given_up = False

    @contextmanager
    def keeping_up(self, file: IO[bytes]) -> Iterator[None]:
        """
        Bring a file to the disk while it is written in this context, and all of it at its end.

        Raises:
            OSError: the disk did not take it.
        """
        stop = threading.Event()
        failed: list[OSError] = []

        def keep_up() -> None:
            try:
                while not stop.wait(_LOOK):
                    if os.fstat(file.fileno()).st_size >= self._size + _ENOUGH:
                        self._bring(file.fileno())
            except OSError as error:
                failed.append(error)  # it is told once only: a later sync would find nothing

        thread = threading.Thread(target=keep_up, name="sync")
        thread.start()
        try:
            yield
            file.flush()
        finally:
            stop.set()
            thread.join()
        if failed:
            raise failed[0]
        self._bring(file.fileno(), last=True)

    def give_up(self) -> None:
        """Let whoever waits for more of it fail."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def beyond(self, position: int) -> int:
        """
        Wait until there is something behind a position; return how much: 0 at the end.

        Raises:
            OSError: nothing more will come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._size > position or self._ended or self._given_up)
            if self._given_up:
                raise OSError("what is read back is not written any more")
            return self._size - position

    def _bring(self, handle: int, *, last: bool = False) -> None:
        size = os.fstat(handle).st_size
        (os.fsync if last else os.fdatasync)(handle)
        # What is read back shall come from the disk, not from what was just written.
        start = self._size // _PAGE * _PAGE
        os.posix_fadvise(handle, start, size - start, os.POSIX_FADV_DONTNEED)
        with self._changed:
            self._size, self._ended = size, last
            self._changed.notify_all()


class Following(RawIOBase):
    """Reads a file as far as it is stored, and waits for the rest."""

    def __init__(self, path: Path, stored: Stored) -> None:
        super().__init__()
        self._path = path
        self._stored = stored
        #: Opened when there is something in it: before, it may not be there.
        self._file: IO[bytes] | None = None
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Read what is there; wait where that is nothing.

        Raises:
            OSError: nothing more will come.
        """
        view = memoryview(buffer)[: self._stored.beyond(self._at)]
        if self._file is None:
            self._file = self._path.open("rb", buffering=0)
        count = os.preadv(self._file.fileno(), [view], self._at)
        self._at += count
        return count

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        super().close()
