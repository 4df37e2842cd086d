"""`make up` with real processes: it comes up, mends itself, stops, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
LIMIT = 90  # seconds, for anything that is waited for

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; the workers are for Linux"),
]


def wait_for(what: str, find: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {LIMIT} s for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Up:
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

        wait_for("/readyz", ready)

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


def start(data: Path, *command: str, port: int | None = None) -> Up:
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
        )
    return Up(process, port, data, log)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = start(tmp_path_factory.mktemp("installation"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.end()


@pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="`make up` runs in .venv, this is another one"
)
def test_make_up_comes_up_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    up = start(tmp_path / "data", "make", "--no-print-directory", "up")
    try:
        up.wait_until_ready()
        os.killpg(up.process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        code = up.process.wait(LIMIT)
    finally:
        up.end()

    assert code in {0, -signal.SIGINT}  # make itself dies of the signal, when all else is done
    assert "up: Stopped.\n" in up.log.read_text()
    assert up.processes() == {}
    assert up.status_of("/livez") == 0


def test_the_password_is_printed_once_and_not_on_the_second_start(tmp_path: Path) -> None:
    logs = []
    for _ in range(2):
        up = start(tmp_path / "data")
        try:
            up.wait_until_ready()
        finally:
            assert up.end() == 0
        logs.append(up.log.read_text())

    assert len(re.findall("password", logs[0])) == 1
    assert len(re.findall("password", logs[1])) == 1  # the log of both starts


def test_a_killed_worker_command_comes_back(up: Up) -> None:
    killed = wait_for("the worker command", lambda: up.service("runworkers"))
    os.kill(killed, signal.SIGKILL)

    def another() -> int | None:
        found = up.service("runworkers")
        return found if found != killed else None

    assert wait_for("another worker command", another)
    assert "The worker command died of SIGKILL; starting again in 1 s." in up.log.read_text()
    assert up.status_of("/livez") == 200


def test_a_killed_web_server_comes_back(up: Up) -> None:
    killed = wait_for("the web server", lambda: up.service("scripts.web"))
    os.kill(killed, signal.SIGKILL)

    def another() -> bool:
        return up.service("scripts.web") not in {None, killed} and up.status_of("/livez") == 200

    assert wait_for("another web server", another)


def test_the_access_log_has_no_query_strings_and_one_line_for_a_request(up: Up) -> None:
    up.status_of("/no-such-page%0Aforged%1b[31m?token=very-secret")

    def logged() -> str | None:
        return next(
            (line for line in up.log.read_text().split("\n") if '"GET /no-such' in line), None
        )

    line = wait_for("the line of the request", logged)
    assert r'"GET /no-such-page\x0aforged\x1b[31m HTTP/1.1" 404' in line
    assert "very-secret" not in up.log.read_text()


def test_probes_are_not_logged(up: Up) -> None:
    assert up.status_of("/readyz") == 200
    assert "/readyz" not in up.log.read_text()


def test_a_second_start_on_the_port_says_so_and_harms_nobody(up: Up, tmp_path: Path) -> None:
    second = start(tmp_path / "data", port=up.port)
    code = second.process.wait(LIMIT)

    assert code == 1
    assert f"Port {up.port} is taken" in second.log.read_text()
    assert second.processes() == {}
    assert up.status_of("/livez") == 200


def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    up = start(tmp_path / "data")
    try:
        up.wait_until_ready()
        os.kill(up.process.pid, signal.SIGKILL)
        up.process.wait(LIMIT)
        wait_for("all processes to end", lambda: not up.processes())
    finally:
        up.end()

    assert up.status_of("/livez") == 0


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    up = start(tmp_path / "data", port=65536)

    assert up.process.wait(LIMIT) == 1
    assert "PORT=65536 is no port" in up.log.read_text()


def test_a_database_that_does_not_answer_is_named_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "scripts.up"],
        cwd=ROOT,
        env=environment(free_port(), data)
        | {"DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )

    assert done.returncode == 1
    assert "The database cannot be prepared: " in done.stderr
    assert "Traceback" not in done.stderr
