"""
Folders for what is half done: nobody else's to read, locked while in use, swept when left.

The lock is the process': a folder whose lock can be taken belongs to one that died.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What a backup's name cannot begin with.
_MARK: Final = ".work-"


@contextmanager
def workplace(parent: Path, *, sweeps: bool = True) -> Iterator[Path]:
    """
    Make a folder below `parent` for as long as the context lasts.

    Args:
        parent: Made where it is not there.
        sweeps: Remove what others left. Only for who knows that nobody on another machine works
            here: a network's file system may not show us its lock.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sweeps:
        sweep(parent)
    folder = parent / f"{_MARK}{uuid.uuid4().hex}"
    folder.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep(parent: Path) -> int:
    """Remove the folders of processes that died; return how many."""
    removed = 0
    for folder in parent.glob(f"{_MARK}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
        finally:
            os.close(handle)
    return removed
