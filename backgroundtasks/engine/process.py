"""Facts about processes that the kernel keeps, for telling the dead from the living."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from functools import cache
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


@cache
def host_id() -> str:
    """
    Return what tells this machine and process namespace apart from all others.

    A pid means something only within one start of one kernel and one pid namespace: two
    containers on one host may both have a worker 7.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").readlink()
    return f"{boot} {namespace}"


def host_name() -> str:
    """Return the machine's name, for people."""
    return socket.gethostname()


def started(pid: int) -> int | None:
    """
    Return when a process began, in clock ticks since the machine's start; None without one.

    A zombie (dead, not yet waited for) counts as gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything, spaces and brackets too.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def lives(pid: int, pid_started: int) -> bool:
    """Return whether this very process still runs (not another one that got its pid)."""
    return started(pid) == pid_started


def kill(pid: int, pid_started: int) -> bool:
    """Kill a worker with everything it started; return whether it was there."""
    if not lives(pid, pid_started):
        return False
    try:
        # A worker leads a process group of its own: its handlers' children go with it.
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return True


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call
