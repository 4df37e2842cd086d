"""A database of the bench's own, with a data folder: made, filled, dropped."""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.processes import Service
from bench.side import Side

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "bench.settings"
STOCK = "bench.stock.settings"
SERVER = os.environ.get("BENCH_POSTGRES") or "postgres://postgres@127.0.0.1:5432"


class Installation:
    """Where both sides work: the same database, each with settings of its own."""

    #: Of a web server.
    processes = 2

    def __init__(self, vendor: str, url: str, folder: Path) -> None:
        self.vendor = vendor
        self._url = url
        self.folder = folder
        self._services = 0

    def environment(self, settings: str, **more: str) -> dict[str, str]:
        """Return the environment of a process of one side."""
        return {
            **os.environ,
            "DATABASE_URL": self._url,
            "TASKCENTER_DATA_DIR": str(self.folder),
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONWARNINGS": "ignore",
            **more,
        }

    def side(self, settings: str) -> Side:
        """Return a process that does what it is told, inside Django."""
        return Side(self.environment(settings), self._log(f"side-{settings}"))

    def service(self, name: str, *arguments: str, settings: str = OURS, **more: str) -> Service:
        """Start a command."""
        return Service(arguments, self.environment(settings, **more), self._log(name))

    def _log(self, name: str) -> Path:
        self._services += 1
        return self.folder / f"{name}-{self._services}.log"


@contextmanager
def installed(vendor: str) -> Iterator[Installation]:
    """Yield a fresh, migrated installation; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if vendor == "sqlite":
            yield _migrated(Installation(vendor, f"sqlite:///{folder}/bench.sqlite3", Path(folder)))
            return
        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
            # Nobody can be connected to template0, which would keep it from being copied.
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            try:
                yield _migrated(Installation(vendor, f"{SERVER}/{name}", Path(folder)))
            finally:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _migrated(installation: Installation) -> Installation:
    with installation.side(STOCK) as stock:
        stock("bench.stock.calls.migrate")
    with installation.side(OURS) as ours:
        ours("bench.ours.bootstrap")
    return installation


def postgres_answers() -> bool:
    """Return whether there is a server to measure on."""
    try:
        psycopg.connect(f"{SERVER}/postgres", connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True
