"""The whole task center as `make up` runs it: real processes, a data folder of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts import death_signal
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 90  # seconds, for anything that is waited for


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Installation:
    """One start of the task center, with a data folder of its own."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path

    def status_of(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.status_of("/readyz") == 200 and "Ready: " in self.log.read_text()

        wait_for(ready, "/readyz", limit=LIMIT)

    def processes(self) -> dict[int, str]:
        """Return process id to command line of everything started with this data folder."""
        mark = f"TASKCENTER_DATA_DIR={self.data}\0".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found[int(folder.name)] = b" ".join(words).decode().strip()
            except OSError:  # it has just ended, or is another user's
                continue
        return found

    def supervisor(self) -> int | None:
        return next((pid for pid, line in self.processes().items() if "scripts.up" in line), None)

    def service(self, word: str) -> int | None:
        """Return the process id of the service that the supervisor itself started."""
        supervisor = self.supervisor()
        for pid, line in self.processes().items():
            if word in line and parent_of(pid) == supervisor:
                return pid
        return None

    def end(self) -> int:
        """Stop whatever is left, however the test went; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        return self.process.wait()


def parent_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def environment(port: int, data: Path) -> dict[str, str]:
    """Return what a person's shell would give: nothing of the `make` that runs this test."""
    mine = {
        "PORT": str(port),
        "TASKCENTER_DATA_DIR": str(data),
        "DATABASE_URL": "",
        "WEB_PROCESSES": "1",
        "WORKERS": "1",
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "TASKCENTER_", "PYTEST_", "DJANGO_"))
    }
    return inherited | mine


def start(data: Path, *command: str, port: int | None = None) -> Installation:
    port = port or free_port()
    data.mkdir(exist_ok=True)
    log = data / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command or [sys.executable, "-m", "scripts.up"],
            cwd=ROOT,
            env=environment(port, data),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Also when the test run itself is killed, nothing is left.
            preexec_fn=partial(death_signal.ask_for, signal.SIGTERM, parent=os.getpid()),
        )
    return Installation(process, port, data, log)
