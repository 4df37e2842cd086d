"""Ask the kernel for a signal when the parent dies, so that no process outlives it (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child between fork and exec must not load libraries.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def ask_for(wanted: signal.Signals, *, parent: int) -> None:
    """
    Let the kernel send `wanted` to this process when its parent dies.

    Args:
        wanted: SIGTERM for a process that has something to put in order, else SIGKILL.
        parent: The process id that the parent should have. When it has another one, the
            parent died before it could be asked for, and this process ends at once.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(wanted), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
