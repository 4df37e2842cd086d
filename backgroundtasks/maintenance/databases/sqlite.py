"""
Copying SQLite: its file is read as it is while nobody may change it, though all may write.

What others write goes to the write-ahead log. A transaction that began when all of the log
stood in the file reads the file alone, and until it ends nobody may bring more of the log there.
Where no such moment comes, SQLite's online backup makes a copy under a read transaction:
without that, every commit of another process would make it begin again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from backgroundtasks.maintenance.errors import BackupDamaged, RestoreRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backgroundtasks.maintenance.archive import Source

#: Pages between two looks whether to stop: 16 MiB.
_PAGES: Final = 4096
#: Seconds that a write waits for others.
_PATIENCE: Final = 20
#: Seconds in which a moment may come at which nobody reads older rows than the file has.
_MOMENT: Final = 2.0
#: Where a database's first page says whether it has a log; 1: it has none.
_VERSIONS: Final = slice(18, 20)
_ASIDE: Final = "aside.sqlite3"
#: Set aside as files, because it could not even be read.
_BROKEN: Final = "aside-broken"
_FILES: Final = ("", "-wal", "-shm")


@dataclass
class _Copy:
    stream: Source
    tables: dict[str, int]
    migrations: list[str]

    def finish(self) -> None:
        """Do nothing: the copy is a file."""


class Sqlite:
    """The database at hand, when it is SQLite."""

    def __init__(self) -> None:
        self._path = Path(str(connection.settings_dict["NAME"]))

    def estimate(self) -> int:
        """Return the size of the database in bytes."""
        with closing(_open(self._path)) as live:
            return int(_one(live, "PRAGMA page_count")) * _page(live)

    @contextmanager
    def copy(self, folder: Path, told: Callable[[int], None]) -> Iterator[_Copy]:
        """Give the pages of the file itself; those of a copy in `folder` where that cannot be."""
        with closing(_open(self._path)) as live:
            if _pinned(live, self._path):
                size = int(_one(live, "PRAGMA page_count")) * _page(live)
                yield _Copy(_Pages(_held(self._path), size), _counts(live), _migrations(live))
                return
        with self._copied(folder, told) as copy:
            yield copy

    @contextmanager
    def _copied(self, folder: Path, told: Callable[[int], None]) -> Iterator[_Copy]:
        path = folder / "copy.sqlite3"
        path.touch(mode=0o600)
        with closing(_open(self._path)) as live, closing(_open(path)) as copy:
            _hurry(copy)
            live.execute("BEGIN")
            page = _page(live)
            _one(live, "SELECT count(*) FROM sqlite_master")  # the moment that is copied
            _transfer(live, copy, lambda pages: told(pages * page))
        with closing(_open(path)) as copy:
            # What is restored shall not ask for files that lay beside the original.
            copy.execute("PRAGMA journal_mode=DELETE")
            tables = _counts(copy)
            migrations = _migrations(copy)
        with path.open("rb", buffering=0) as stream:
            yield _Copy(stream, tables, migrations)
        path.unlink()

    def try_staged(self, staged: Path, tables: dict[str, int]) -> None:
        """Read all of a copy."""
        try:
            with closing(_open(staged)) as copy:
                found = _one(copy, "PRAGMA quick_check(1)")
                if found != "ok":
                    raise BackupDamaged(f"its database is not whole ({found})")
                if _counts(copy) != tables:
                    raise BackupDamaged("its tables have not the rows that they should have")
        except sqlite3.DatabaseError as error:
            raise BackupDamaged(f"its database cannot be read ({error})") from None

    def refuse_others(self) -> None:
        """Take the write lock once; who only reads is answered as before until the end."""
        connection.close()
        try:
            with closing(_open(self._path)) as live:
                live.execute("BEGIN IMMEDIATE")
                live.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise RestoreRefused(
                f"Somebody else writes to the database ({error}): stop what uses it."
            ) from None
        except sqlite3.DatabaseError:
            pass  # it is broken, which may be why it is to be restored

    def has_aside(self, folder: Path) -> bool:
        """Look for the files."""
        return (folder / _ASIDE).exists() or (folder / _BROKEN).exists()

    def set_aside(self, folder: Path) -> None:
        """Copy the present database; move it, when it cannot even be read."""
        if self.has_aside(folder):
            return
        draft = folder / f"{_ASIDE}.draft"
        draft.unlink(missing_ok=True)
        try:
            with closing(_open(self._path)) as live, closing(_open(draft)) as aside:
                _hurry(aside)
                _transfer(live, aside)
            _sync(draft)
            draft.replace(folder / _ASIDE)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            draft.unlink(missing_ok=True)
            broken = folder / f"{_BROKEN}.draft"
            shutil.rmtree(broken, ignore_errors=True)
            broken.mkdir()
            for suffix in _FILES:
                if (path := self._beside(suffix)).exists():
                    shutil.copy2(path, broken / f"database{suffix}")
            broken.replace(folder / _BROKEN)
            self._remove()
        _sync(folder)

    def put(self, staged: Path) -> None:
        """Write all pages of the copy over the present ones, in one transaction of SQLite's."""
        connection.close()
        with closing(_open(staged)) as copy, closing(_open(self._path)) as live:
            _transfer(copy, live)
        self._settle()

    def bring_back(self, folder: Path) -> None:
        """Write the old pages back."""
        connection.close()
        if (folder / _ASIDE).exists():
            with closing(_open(folder / _ASIDE)) as aside, closing(_open(self._path)) as live:
                _transfer(aside, live)
            self._settle()
        elif (folder / _BROKEN).exists():
            self._remove()
            for suffix in _FILES:
                if (kept := folder / _BROKEN / f"database{suffix}").exists():
                    shutil.copy2(kept, self._beside(suffix))

    def drop_aside(self, folder: Path) -> None:
        """Remove the copy of the old database."""
        (folder / _ASIDE).unlink(missing_ok=True)
        shutil.rmtree(folder / _BROKEN, ignore_errors=True)

    def counts(self) -> dict[str, int]:
        """Return the rows of each table there is now."""
        with closing(_open(self._path)) as live:
            return _counts(live)

    def _settle(self) -> None:
        """Bring what was written to the disk, in the mode that the settings ask for."""
        with closing(_open(self._path)) as live:
            live.execute("PRAGMA journal_mode=WAL")
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _sync(self._path)

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _remove(self) -> None:
        for suffix in _FILES:
            self._beside(suffix).unlink(missing_ok=True)


class _Pages(RawIOBase):
    """Reads a database's file, up to a size, as one that has no log beside it."""

    def __init__(self, file: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Read some of it.

        Raises:
            OSError: the file is shorter than the database.
        """
        view = memoryview(buffer)[: self._size - self._at]
        count = os.preadv(self._file, [view], self._at)
        if not count and len(view):
            raise OSError(f"the database ends after {self._at} bytes")
        if not self._at:
            view[_VERSIONS] = b"\1\1"
        self._at += count
        return count


def _pinned(live: sqlite3.Connection, path: Path) -> bool:
    """
    Begin a transaction that reads the file alone; return whether it could.

    All of the log is brought into the file; then once more what came since, while nobody can
    write: that is little. A transaction that begins then needs nothing of the log. It holds the
    lock without which nobody may write to the file (`WAL_READ_LOCK(0)` in SQLite's words).
    """
    until = time.monotonic() + _MOMENT
    while _has_log(live) and time.monotonic() < until:
        _in_file(live)
        try:
            with closing(_open(path, _MOMENT)) as gate:
                gate.execute("BEGIN IMMEDIATE")
                if _in_file(live):
                    live.execute("BEGIN")
                    _one(live, "SELECT count(*) FROM sqlite_master")
                    return True
        except sqlite3.OperationalError:
            return False  # somebody writes all the time
        time.sleep(0.02)  # somebody still reads what was there before
    return False


def _has_log(live: sqlite3.Connection) -> bool:
    return bool(_one(live, "PRAGMA journal_mode") == "wal")


def _in_file(live: sqlite3.Connection) -> bool:
    """Bring the log into the file as far as nobody reads what was there; return whether all is."""
    busy, log, done = live.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and log == done


#: By device and number of the file.
_HELD: Final[dict[tuple[int, int], int]] = {}


def _held(path: Path) -> int:
    """
    Return a descriptor of a database's file, which is never closed.

    POSIX' locks belong to a process, and closing any descriptor of a file lets go of all that
    the process has on it: those of SQLite, too.
    """
    found = path.stat()
    key = (found.st_dev, found.st_ino)
    if key not in _HELD:
        _HELD[key] = os.open(path, os.O_RDONLY)
    return _HELD[key]


def _open(path: Path, patience: float = _PATIENCE) -> sqlite3.Connection:
    """Open a database outside of Django, which would begin transactions by itself."""
    return sqlite3.connect(path, timeout=patience, isolation_level=None)


def _hurry(copy: sqlite3.Connection) -> None:
    """Let a new file be written without care: nobody reads a copy that was not completed."""
    copy.execute("PRAGMA journal_mode=OFF")
    copy.execute("PRAGMA synchronous=OFF")


def _transfer(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    told: Callable[[int], None] | None = None,
) -> None:
    """Copy all pages; `told` hears how many there were since it was told last."""
    done = 0

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal done
        if told is not None:
            told(total - remaining - done)
        done = total - remaining

    source.backup(target, pages=_PAGES, progress=progress, sleep=0.01)


def _page(database: sqlite3.Connection) -> int:
    return int(_one(database, "PRAGMA page_size"))


def _counts(database: sqlite3.Connection) -> dict[str, int]:
    names = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
        " AND sql NOT LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name"
    ).fetchall()
    return {
        name: int(_one(database, f'SELECT count(*) FROM "{name}"'))  # noqa: S608 - of the schema
        for (name,) in names
    }


def _migrations(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1")
    return [name for (name,) in rows]


def _one(database: sqlite3.Connection, statement: str) -> Any:
    return database.execute(statement).fetchone()[0]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
