"""Every measure of `make bench` runs, and says what it found; how fast is not for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection

from bench import load, table
from bench.measures import MEASURES
from bench.processes import BenchFailed
from bench.rounds import interleaved

ROOT = Path(__file__).resolve().parents[3]

FOUND = {
    "engine": ["one submission", "submit_many", "drain, short", "pick-up", "end to end"],
    "progress": ["context.progress()"],
    "http": ["GET /api/backgroundtask/{id}, 304", "POST to complete", "event streams"],
    "dialects": ["SailPoint, 250 statuses", "Astra, one task"],
    "import": ["AutomatedTestImport"],
    "reindex": ["Reindex"],
    "linking": ["linking tickets"],
    "samples": ["GenerateTestProject"],
    "bulk": ["BulkCopy", "BulkMove", "CsvExport", "BulkDelete", "its worker's memory"],
    "list": ["first page of", "page 1,000 of"],
    "backup": ["until it is written", "until it is read back", "restore, with"],
    "cleaning": ["CleanGPJobs", "one submission meanwhile"],
    "schedules": ["none due", "due at once, until the last is done"],
}


def test_every_measure_is_seen_here() -> None:
    assert set(FOUND) == set(MEASURES)


@pytest.mark.acceptance
@pytest.mark.skipif(sys.platform != "linux", reason="the workers are for Linux")
@pytest.mark.timeout(600)
def test_the_measures_find_what_they_name() -> None:
    vendor = "sqlite" if connection.vendor == "sqlite" else "postgres"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--database", vendor],
        cwd=ROOT,
        # The server that the suite runs on.
        env=os.environ | {"BENCH_POSTGRES": os.environ.get("DATABASE_URL", "").rpartition("/")[0]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    named = [line for lines in FOUND.values() for line in lines]
    assert [line for line in named if line not in done.stdout] == []


def test_an_unknown_measure_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "engines"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no measure engines: engine, progress" in done.stderr


def test_a_line_is_met_when_the_medians_keep_every_goal() -> None:
    twice = [table.Goal(">=", 2), table.Goal("<=", 30, "ours")]
    assert table.Line("m", "sqlite", "ms", [10, 20, 90], [5, 5, 5], goals=twice).met is True
    assert table.Line("m", "sqlite", "ms", [10, 40, 90], [5, 5, 5], goals=twice).met is False
    assert table.Line("m", "sqlite", "ms", [9, 9, 90], [5, 5, 5], goals=twice).met is False
    assert table.Line("m", "sqlite", "ms", [1], [1]).met is None


def test_a_line_shows_the_median_of_the_ratios_and_their_range() -> None:
    line = table.Line("m", "sqlite", "/s", [3000, 100, 200], [1000, 100, 100])
    assert line.cells()[2:6] == ["200 /s", "100 /s", "", "2 (1 to 3)"]


class TestLoad:
    @pytest.fixture(params=["wrk", "python"])
    def generator(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "python":
            monkeypatch.setattr(load, "_WRK", None)
        elif load._WRK is None:
            pytest.skip("wrk is not installed")

    def test_answers_are_counted(self, generator: None, live_server: object) -> None:
        port = int(str(live_server).rpartition(":")[2])
        found = load.load(load.Request(port, "/livez"), connections=2, seconds=1)
        assert found.requests > 0
        assert found.seconds >= 0.9
        assert 0 < found.p50 <= found.p99

    def test_a_refusal_is_no_answer(self, generator: None, live_server: object) -> None:
        port = int(str(live_server).rpartition(":")[2])
        with pytest.raises(BenchFailed, match="GET /api/backgroundtask/x"):
            load.load(load.Request(port, "/api/backgroundtask/x"), connections=1, seconds=1)

    def test_an_answer_in_chunks_is_one_answer_however_it_arrives(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(load, "_WRK", None)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = threading.Thread(
                target=_answer_in_parts, args=(listening, [head, b"5\r\nhel", b"lo\r\n0\r\n\r\n"])
            )
            server.start()
            port = listening.getsockname()[1]
            found = load.load(load.Request(port, "/"), connections=1, seconds=0.2)
            server.join()
        assert found.requests > 0


def _answer_in_parts(listening: socket.socket, parts: list[bytes]) -> None:
    connection, _ = listening.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # The load ends when its time has come, in the middle of an answer.
    with connection, suppress(ConnectionError):
        while connection.recv(65536):
            for part in parts:
                connection.sendall(part)
                time.sleep(0.01)  # or the parts would arrive as one


class TestRounds:
    def test_sides_take_turns_and_the_order_alternates(self) -> None:
        order: list[str] = []

        def side(name: str) -> Callable[[], float]:
            return lambda: order.append(name) or 1.0

        found = interleaved({"a": side("a"), "b": side("b")}, 3)
        assert order == ["a", "b", "b", "a", "a", "b"]
        assert found == {"a": [1.0] * 3, "b": [1.0] * 3}

    def test_a_rehearsal_is_not_counted(self) -> None:
        numbers = iter([100.0, 1.0, 2.0])
        assert interleaved({"a": lambda: next(numbers)}, 2, rehearsed=True) == {"a": [1.0, 2.0]}

    def test_one_round_is_taken_whatever_it_costs_and_no_more_than_the_budget_allows(self) -> None:
        numbers = iter([1.0, 2.0])
        assert interleaved({"a": lambda: next(numbers)}, 2, budget=0) == {"a": [1.0]}
