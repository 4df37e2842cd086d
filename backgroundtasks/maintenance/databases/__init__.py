"""How each database is copied, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from backgroundtasks.maintenance.archive import Source


class Copy(Protocol):
    """A consistent copy, while it can be read."""

    @property
    def stream(self) -> Source:
        """The database: a SQLite file, or what `pg_dump --format=custom` writes."""

    @property
    def tables(self) -> dict[str, int]:
        """Rows of each table in it."""

    @property
    def migrations(self) -> list[str]:
        """Migrations that it has, as `app.name`."""

    def finish(self) -> None:
        """
        Say that the stream was read to its end.

        Raises:
            ToolFailed: it was cut short.
        """


class Database(Protocol):
    """What a kind of database can do."""

    def estimate(self) -> int:
        """Return about how many bytes a copy has."""

    def copy(self, folder: Path, told: Callable[[int], None]) -> AbstractContextManager[Copy]:
        """
        Copy all of it as it is at one moment, while others write.

        Args:
            folder: For files of its own.
            told: Called with the number of bytes whenever some were copied.
        """

    def try_staged(self, staged: Path, tables: dict[str, int]) -> None:
        """
        Look whether a copy that was unpacked can be put back; touches nothing.

        Raises:
            BackupDamaged, ToolMissing: it cannot.
        """

    def refuse_others(self) -> None:
        """
        Look whether anybody else uses the database, and whether we may replace it.

        Raises:
            RestoreRefused: so it is, or we may not.
        """

    def has_aside(self, folder: Path) -> bool:
        """Return whether something was set aside and not forgotten yet."""

    def set_aside(self, folder: Path) -> None:
        """Keep the present data where `bring_back` finds it; safe to repeat."""

    def put(self, staged: Path) -> None:
        """Replace the present data; safe to repeat after `set_aside`."""

    def bring_back(self, folder: Path) -> None:
        """Undo `put`; safe to repeat, and where nothing was put."""

    def drop_aside(self, folder: Path) -> None:
        """Forget what was set aside."""

    def counts(self) -> dict[str, int]:
        """Return the rows of each table there is now."""


def current() -> Database:
    """Return the database at hand."""
    from backgroundtasks.maintenance.databases import postgres, sqlite  # noqa: PLC0415 - one of them

    return postgres.Postgres() if connection.vendor == "postgresql" else sqlite.Sqlite()


def known(vendor: str) -> str:
    """Return a database's name for people."""
    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(vendor, vendor)


__all__ = ["Copy", "Database", "current", "known"]
