"""`make up` with real processes: it comes up, mends itself, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import waiting
from tests.support.installation import LIMIT, ROOT, Installation, environment, free_port, start

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; the workers are for Linux"),
]

wait_for = partial(waiting.wait_for, limit=LIMIT)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
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


def test_a_killed_worker_command_comes_back(up: Installation) -> None:
    killed = wait_for(lambda: up.service("runworkers"), "the worker command")
    os.kill(killed, signal.SIGKILL)

    def another() -> int | None:
        found = up.service("runworkers")
        return found if found != killed else None

    assert wait_for(another, "another worker command")
    assert "The worker command died of SIGKILL; starting again in 1 s." in up.log.read_text()
    assert up.status_of("/livez") == 200


def test_a_killed_web_server_comes_back(up: Installation) -> None:
    killed = wait_for(lambda: up.service("scripts.web"), "the web server")
    os.kill(killed, signal.SIGKILL)

    def another() -> bool:
        return up.service("scripts.web") not in {None, killed} and up.status_of("/livez") == 200

    assert wait_for(another, "another web server")


def test_the_access_log_has_no_query_strings_and_one_line_for_a_request(up: Installation) -> None:
    up.status_of("/no-such-page%0Aforged%1b[31m?token=very-secret")

    def logged() -> str | None:
        return next(
            (line for line in up.log.read_text().split("\n") if '"GET /no-such' in line), None
        )

    line = wait_for(logged, "the line of the request")
    assert r'"GET /no-such-page\x0aforged\x1b[31m HTTP/1.1" 404' in line
    assert "very-secret" not in up.log.read_text()


def test_probes_are_not_logged(up: Installation) -> None:
    assert up.status_of("/readyz") == 200
    assert "/readyz" not in up.log.read_text()


def test_a_second_start_on_the_port_says_so_and_harms_nobody(
    up: Installation, tmp_path: Path
) -> None:
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
        wait_for(lambda: not up.processes(), "all processes to end")
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
