"""When something began in another process of this machine, told without polling."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Self


def tell(path: str) -> None:
    """Send this moment to who listens at `path`."""
    moment = time.monotonic_ns()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(str(moment).encode(), path)


class Listener:
    """Hears of moments at a path of its own; a context."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(30)
        self._socket.bind(self.path)

    def next(self) -> int:
        """Return the next moment, in nanoseconds of the machine's monotonic clock."""
        return int(self._socket.recv(64))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        Path(self.path).unlink()
