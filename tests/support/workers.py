"""The worker command as a real process, on the test's own database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from django.db import connection

from backgroundtasks.models import Worker
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]

#: Short enough for a test, long enough for two busy cores. Floats are seconds.
NUMBERS: dict[str, float | int] = {
    "HEARTBEAT": 0.5,
    "LEASE": 4.0,
    "CANCEL_GRACE": 2.0,
    "TIMEOUT_GRACE": 0.5,
    "STOP_GRACE": 4.0,
    "KEEPER_INTERVAL": 0.2,
    "PROGRESS_INTERVAL": 0.05,
}

#: Seconds until the workers have to be there: beside a second suite it takes more than half a minute.
START_LIMIT = 75.0


def environment(**numbers: float) -> dict[str, str]:
    """Return the environment of a process that works on this test's database."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{settings['NAME']}"
    else:
        port = settings["PORT"] or 5432
        url = f"postgres://{settings['USER']}@{settings['HOST']}:{port}/{settings['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONWARNINGS": "default",
        "TASKCENTER_TEST_NUMBERS": json.dumps({**NUMBERS, **numbers}),
    }


class WorkerCommand:
    """`manage.py runworkers`, as a context: killed with everything at the end."""

    def __init__(self, *arguments: str, workers: int = 2, **numbers: float) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the command
        self._before = set(Worker.objects.values_list("pk", flat=True))
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "runworkers", f"--workers={workers}", *arguments],
            cwd=ROOT,
            env=environment(**numbers),
            stdout=self._log,
            stderr=self._log,
        )
        self._workers = workers

    def __enter__(self) -> Self:
        try:
            wait_for(self._has_started, "workers to start", limit=START_LIMIT)
        except BaseException as error:
            # What was not entered is not left, and it would work on at the next test's runs.
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        family = descendants(self.process.pid)
        self.process.kill()
        self.process.wait(10)
        # Each dies with its parent, a moment later; until then it may write for the next test.
        wait_for(lambda: not any(map(exists, family)), "the command's processes to die")
        if kind is not None:
            sys.stderr.write(self.log())
        self._log.close()

    def workers(self) -> list[Worker]:
        """Return the workers of this command that have not been reported stopped."""
        fresh = Worker.objects.filter(stopped_at__isnull=True).exclude(pk__in=self._before)
        return list(fresh.order_by("started_at"))

    def log(self) -> str:
        """Return what the command has written; where it writes on stays as it is."""
        file = self._log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; return when every worker can know of it: the pusher is killed after that."""
        family = descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not all(map(exists, family)), "the pusher to be killed")

    def stop(self, limit: float = 30) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit)

    def _has_started(self) -> bool:
        assert self.process.poll() is None, "The command has ended."
        return len(self.workers()) >= self._workers


def kill(pid: int) -> None:
    """Send SIGKILL to one process."""
    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the pids of a process' children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids of what a process has started, and of what that has started; none if gone."""
    try:
        near = children(pid)
    except OSError:
        return []
    return [*near, *(far for child in near for far in descendants(child))]


def exists(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in {"Z", "X"}


def read_marks(path: Path) -> list[list[str]]:
    """Return what the runs wrote down: `[run id, attempt, pid]` per execution."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []
