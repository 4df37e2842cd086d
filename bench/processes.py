"""Processes that a measure starts: each ends with the bench, and is stopped by its own pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from scripts import death_signal

ROOT = Path(__file__).resolve().parent.parent
#: Seconds until what was told to end is killed.
PATIENCE = 15.0

T = TypeVar("T")


class BenchFailed(Exception):
    """A measure could not be taken; the text says why."""


def wait_for(
    condition: Callable[[], T], what: str, *, limit: float = 60.0, pause: float = 0.02
) -> T:
    """Return the condition's first true value."""
    until = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > until:
            raise BenchFailed(f"Waited {limit:g} s in vain for {what}.")
        time.sleep(pause)
    return value


class Service:
    """A command of this checkout's Python, with all that it starts; a context."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Safe: the bench has one thread.
                preexec_fn=partial(death_signal.ask_for, signal.SIGTERM, parent=os.getpid()),  # noqa: PLW1509
            )

    @property
    def pids(self) -> list[int]:
        """Itself and its descendants, parents first."""
        return [self._process.pid, *descendants(self._process.pid)]

    def require_life(self) -> None:
        """Fail, with the end of its log, when the process has ended."""
        if self._process.poll() is not None:
            end = self.log.read_text(errors="replace")[-2000:]
            raise BenchFailed(f"{self.log.stem} ended with {self._process.returncode}:\n{end}")

    def freeze(self, pids: Sequence[int]) -> None:
        """Send SIGSTOP."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self, pids: Sequence[int]) -> None:
        """Send SIGCONT."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it, and kill what it leaves behind (stock django-q2 leaves its workers)."""
        born = {pid: started(pid) for pid in self.pids}
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)
        for pid, when in born.items():
            if when is not None and started(pid) == when:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def descendants(pid: int) -> list[int]:
    """Return the pids below a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def started(pid: int) -> str | None:
    """Return when a process began, in the kernel's ticks; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]
