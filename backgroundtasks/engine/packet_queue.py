"""
A queue between processes that survives kill -9 of any of them.

`multiprocessing.Queue` holds a lock while it reads; a reader that is killed there stops all
others for ever. Here the kernel keeps the items: one packet each, no locks, no threads.
"""

from __future__ import annotations

import array
import fcntl
import pickle
import socket
import termios
from typing import Any, Final

_LARGEST: Final = 65536


class PacketQueue:
    """What django-q2 uses of a queue, over an AF_UNIX SOCK_SEQPACKET pair."""

    def __init__(self, maxsize: int = 0) -> None:
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def put(self, item: Any) -> None:
        """Put an item; waits while the kernel's buffer is full."""
        self._writer.send(pickle.dumps(item))

    def get(self) -> Any:
        """Take an item; waits for one."""
        return pickle.loads(self._reader.recv(_LARGEST))  # noqa: S301 - from our own processes only

    def empty(self) -> bool:
        """Return whether no item waits: the kernel knows, so no counter can drift."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._reader, termios.FIONREAD, waiting)
        return waiting[0] == 0

    def qsize(self) -> int:
        """Return 0 or 1: whether anything waits; nobody needs more."""
        return 0 if self.empty() else 1

    def close(self) -> None:
        """Close this process' ends."""
        self._reader.close()
        self._writer.close()

    def join_thread(self) -> None:
        """Do nothing: there is no thread."""
