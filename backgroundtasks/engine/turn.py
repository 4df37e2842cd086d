"""Whose turn it is among the workers of a cluster."""

from __future__ import annotations

import fcntl
import tempfile


class Turn:
    """
    A turn that one of several processes has; the kernel keeps it, so it ends with its holder.

    Made before the fork.
    """

    def __init__(self) -> None:
        self._taken = False
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the cluster

    def take(self) -> bool:
        """Take the turn unless another process has it; return whether this one has it now."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self._taken = True
        return True

    def leave(self) -> None:
        """Let others have it, if this process has it."""
        if not self._taken:
            return
        self._taken = False
        fcntl.lockf(self._file, fcntl.LOCK_UN)
