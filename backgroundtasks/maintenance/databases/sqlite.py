"""
Copying SQLite by its online backup, page by page under one read transaction.

Without that transaction of ours every commit of another process would make it begin again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from django.db import connection

from backgroundtasks.maintenance.errors import BackupDamaged, RestoreRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Pages between two looks whether to stop: 16 MiB.
_PAGES: Final = 4096
#: Seconds that a write waits for others.
_PATIENCE: Final = 20
_ASIDE: Final = "aside.sqlite3"
#: Set aside as files, because it could not even be read.
_BROKEN: Final = "aside-broken"
_FILES: Final = ("", "-wal", "-shm")


@dataclass
class _Copy:
    stream: IO[bytes]
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
            pages = int(_one(live, "PRAGMA page_count"))
            return pages * int(_one(live, "PRAGMA page_size"))

    @contextmanager
    def copy(self, folder: Path, told: Callable[[int], None]) -> Iterator[_Copy]:
        """Copy into a file in `folder`, and give that."""
        path = folder / "copy.sqlite3"
        path.touch(mode=0o600)
        with closing(_open(self._path)) as live, closing(_open(path)) as copy:
            # Nobody reads a copy that was not completed.
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            live.execute("BEGIN")
            page = int(_one(live, "PRAGMA page_size"))
            _one(live, "SELECT count(*) FROM sqlite_master")  # the moment that is copied
            _transfer(live, copy, lambda pages: told(pages * page))
        with closing(_open(path)) as copy:
            # What is restored shall not ask for files that lay beside the original.
            copy.execute("PRAGMA journal_mode=DELETE")
            tables = _counts(copy)
            migrations = _migrations(copy)
        with path.open("rb") as stream:
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


def _open(path: Path) -> sqlite3.Connection:
    """Open a database outside of Django, which would begin transactions by itself."""
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)


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
