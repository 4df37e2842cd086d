"""Copying SQLite while other processes write to it, and bring its log into its file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backgroundtasks.maintenance.databases import sqlite

ROWS = 3000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of two tables that always hold the same sum, with 24 MB of ballast."""
    path = tmp_path / "live.sqlite3"
    with closing(sqlite3.connect(path)) as live, live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE django_migrations (app, name)")
        live.execute("INSERT INTO django_migrations VALUES ('tests', '0001_initial')")
        live.execute("CREATE TABLE given (id INTEGER PRIMARY KEY, n, ballast)")
        live.execute("CREATE TABLE taken (id INTEGER PRIMARY KEY, n, ballast)")
        rows = [(number, 100, "x" * 4000) for number in range(ROWS)]
        live.executemany("INSERT INTO given VALUES (?, ?, ?)", rows)
        live.executemany("INSERT INTO taken VALUES (?, ?, ?)", rows)
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    return path


def copied(folder: Path, pause: float = 0.0) -> tuple[Path, sqlite._Copy]:
    """Copy the database into a file, slowly."""
    target = folder / "copied.sqlite3"
    with sqlite.Sqlite().copy(folder, lambda _count: None) as copy, target.open("wb") as file:
        buffer = memoryview(bytearray(256 * 1024))
        while count := copy.stream.readinto(buffer):
            file.write(buffer[:count])
            time.sleep(pause)
    return target, copy


def sums(database: sqlite3.Connection) -> tuple[Any, ...]:
    row: tuple[Any, ...] = database.execute(
        "SELECT (SELECT sum(n) FROM given) + (SELECT sum(n) FROM taken),"
        " (SELECT count(*) FROM given), (SELECT count(*) FROM taken)"
    ).fetchone()
    return row


#: Moves numbers from table to table all over the file, adds rows, and tries every checkpoint.
WRITER = """
import random, sqlite3, sys
live = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
live.execute("PRAGMA wal_autocheckpoint=1")
for turn in range(10**9):
    live.execute("BEGIN IMMEDIATE")
    for row in random.sample(range(3000), 20):
        live.execute("UPDATE given SET n = n - 1, ballast = ballast || 'y' WHERE id = ?", [row])
        live.execute("UPDATE taken SET n = n + 1, ballast = ballast || 'z' WHERE id = ?", [row])
    live.execute("INSERT INTO given VALUES (NULL, 0, ?)", ["x" * 4000])
    live.execute("COMMIT")
    live.execute("PRAGMA busy_timeout=0")
    live.execute(f"PRAGMA wal_checkpoint({('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE')[turn % 4]})")
    live.execute("PRAGMA busy_timeout=30000")
    if not turn:
        print("writing", flush=True)
"""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let a process write all the time."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == b"writing\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_copy_is_one_moment_while_others_write_and_checkpoint(tmp_path: Path, path: Path) -> None:
    with writing(path):
        target, copy = copied(tmp_path, pause=0.01)
        with closing(sqlite3.connect(path, timeout=30)) as live:
            later = sums(live)

    assert isinstance(copy.stream, sqlite._Pages)
    with closing(sqlite3.connect(target)) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        total, given, taken = sums(found)
    assert total == 2 * ROWS * 100
    assert (given, taken) == (copy.tables["given"], copy.tables["taken"])
    assert later[1] > given


def test_a_copy_needs_no_log_beside_it(tmp_path: Path, path: Path) -> None:
    target, copy = copied(tmp_path)

    with closing(sqlite3.connect(target)) as found:
        assert found.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert copy.migrations == ["tests.0001_initial"]


def test_what_only_the_log_has_is_copied(tmp_path: Path, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as live:
        live.execute("PRAGMA wal_autocheckpoint=0")
        live.execute("INSERT INTO given VALUES (NULL, 7, '')")

        target, _ = copied(tmp_path)

    with closing(sqlite3.connect(target)) as found:
        assert found.execute("SELECT count(*) FROM given WHERE n = 7").fetchone() == (1,)


def test_where_somebody_goes_on_reading_what_was_before_sqlite_makes_the_copy(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_MOMENT", 0.1)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
        closing(sqlite3.connect(path, isolation_level=None)) as writer,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM given").fetchone()
        writer.execute("INSERT INTO given VALUES (NULL, 7, '')")

        target, copy = copied(tmp_path)

    assert not isinstance(copy.stream, sqlite._Pages)
    with closing(sqlite3.connect(target)) as found:
        assert found.execute("SELECT count(*) FROM given WHERE n = 7").fetchone() == (1,)


def test_a_database_without_a_log_is_copied_by_sqlite(tmp_path: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as live:
        live.execute("PRAGMA journal_mode=DELETE")

    target, copy = copied(tmp_path)

    assert not isinstance(copy.stream, sqlite._Pages)
    with closing(sqlite3.connect(target)) as found:
        assert sums(found)[0] == 2 * ROWS * 100


def test_nobody_waits_for_a_copy(tmp_path: Path, path: Path) -> None:
    with (
        sqlite.Sqlite().copy(tmp_path, lambda _count: None) as copy,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as writer,
    ):
        assert isinstance(copy.stream, sqlite._Pages)
        for number in range(50):
            writer.execute("INSERT INTO given VALUES (NULL, ?, '')", [number])


def test_a_copy_lets_go_of_no_lock_that_this_process_has(tmp_path: Path, path: Path) -> None:
    # Closing a file releases all of a process' locks on it; SQLite's would be gone.
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM given").fetchone()

        for _ in range(2):
            copied(tmp_path)

        asked = subprocess.run(
            [sys.executable, "-c", LAST_ONE, str(path)], capture_output=True, text=True, check=False
        )
        assert "database is locked" in asked.stderr


#: Only who is alone with a database may end its log.
LAST_ONE = """
import sqlite3, sys
live = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
print(live.execute("PRAGMA journal_mode=DELETE").fetchone())
"""
