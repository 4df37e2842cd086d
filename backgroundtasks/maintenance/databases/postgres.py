"""
Copying PostgreSQL by `pg_dump`, and putting it back by `pg_restore` beside what was there.

Both get where and who from the environment, never from their command line, which everybody on
the machine can read.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from django.db import connection, connections, transaction

from backgroundtasks.maintenance.errors import (
    BackupDamaged,
    RestoreRefused,
    ToolFailed,
    ToolMissing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

    from backgroundtasks.maintenance.archive import Source

#: The schema in which the old data waits until the new has passed its checks.
_ASIDE: Final = "taskcenter_aside"
#: Where Debian and its like keep each version's programs.
_DEBIAN: Final = Path("/usr/lib/postgresql")
#: How long (seconds) others may take to be gone.
_PATIENCE: Final = 5
#: Bytes that pg_dump may be ahead of us.
_PIPE: Final = 1024 * 1024


@dataclass
class _Copy:
    stream: Source
    counted: Future[tuple[dict[str, int], list[str]]]
    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    @property
    def tables(self) -> dict[str, int]:
        """Wait until all are counted."""
        return self.counted.result()[0]

    @property
    def migrations(self) -> list[str]:
        """Wait likewise."""
        return self.counted.result()[1]

    def finish(self) -> None:
        """Refuse unless pg_dump says that it gave everything."""
        if self.process.wait():
            raise ToolFailed(f"pg_dump failed: {_last_line(self.errors)}")


class Postgres:
    """The database at hand, when it is PostgreSQL."""

    def estimate(self) -> int:
        """Return the size of the tables, without indexes, in bytes."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            )
            return int(cursor.fetchone()[0])

    @contextmanager
    def copy(self, folder: Path, told: Callable[[int], None]) -> Iterator[_Copy]:
        """Let pg_dump read the snapshot in which we count, and give what it writes."""
        tool = program("pg_dump")
        with closing(_separate()) as own, own.cursor() as cursor:
            own.set_autocommit(False)
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot(), current_schema()")
            snapshot, schema = cursor.fetchone()
            words = [
                tool,
                "--format=custom",
                "--compress=0",
                "--no-owner",
                "--no-privileges",
                "--no-password",
                f"--schema={schema}",
                f"--snapshot={snapshot}",
            ]
            with tempfile.TemporaryFile() as errors, _counted(own) as counted:
                process = subprocess.Popen(
                    words, env=environment(), stdout=subprocess.PIPE, stderr=errors
                )
                pipe = cast("IO[bytes]", process.stdout)
                with suppress(OSError):  # of a user who has no more room for pipes
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
                try:
                    yield _Copy(cast("Source", pipe), counted, process, errors)
                finally:
                    if process.poll() is None:
                        process.kill()
                    process.wait()
                    pipe.close()

    def try_staged(self, staged: Path, tables: dict[str, int]) -> None:
        """Let pg_restore read the table of contents."""
        tool = program("pg_restore")
        with tempfile.TemporaryFile() as errors:
            listed = subprocess.run(
                [tool, "--list", str(staged)],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                check=False,
            )
            if listed.returncode:
                raise BackupDamaged(f"pg_restore cannot read its database: {_last_line(errors)}")

    def refuse_others(self) -> None:
        """Ask the server who else is connected, and whether the schema is ours to move."""
        with connection.cursor() as cursor:
            others, who = _others(cursor)
            until = time.monotonic() + _PATIENCE
            while others and time.monotonic() < until:
                # The server learns some moments later of a client that was killed.
                time.sleep(0.1)
                others, who = _others(cursor)
            if others:
                raise RestoreRefused(
                    f"{others} others are connected to the database ({who}): stop the web server "
                    "and whatever else uses it."
                )
            cursor.execute(
                "SELECT has_database_privilege(current_database(), 'CREATE'),"
                " pg_has_role(nspowner, 'USAGE'), nspname FROM pg_namespace"
                " WHERE nspname = coalesce(current_schema(), 'public')"
            )
            row = cursor.fetchone()
            if row is not None and not (row[0] and row[1]):
                raise RestoreRefused(
                    f"This database user may not replace the schema {row[2]}: make it the owner of "
                    "the database (ALTER DATABASE … OWNER TO …)."
                )

    def has_aside(self, folder: Path) -> bool:
        """Look for the schema."""
        with connection.cursor() as cursor:
            return _aside(cursor) is not None

    def set_aside(self, folder: Path) -> None:
        """Rename the schema; its name is kept in a comment."""
        with transaction.atomic(), connection.cursor() as cursor:
            if _aside(cursor) is not None:
                return
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute("SELECT coalesce(current_schema(), 'public')")
            schema = str(cursor.fetchone()[0])
            quoted = connection.ops.quote_name(schema)
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
            cursor.execute(f"ALTER SCHEMA {quoted} RENAME TO {_ASIDE}")
            cursor.execute(f"COMMENT ON SCHEMA {_ASIDE} IS %s", [schema])

    def put(self, staged: Path) -> None:
        """Make the schema anew, all in one transaction of pg_restore's."""
        tool = program("pg_restore")
        with connection.cursor() as cursor:
            schema = _aside(cursor)
            if schema is None:
                raise RestoreRefused("Nothing was set aside, so nothing is replaced.")
            cursor.execute(f"DROP SCHEMA IF EXISTS {connection.ops.quote_name(schema)} CASCADE")
        connection.close()
        words = [
            tool,
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--no-password",
            f"--dbname={environment()['PGDATABASE']}",
            str(staged),
        ]
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(words, env=environment(), stderr=errors, check=False)
            if done.returncode:
                raise ToolFailed(f"pg_restore failed: {_last_line(errors)}")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # without statistics the queue's plans are poor

    def bring_back(self, folder: Path) -> None:
        """Give the old schema its name again."""
        with transaction.atomic(), connection.cursor() as cursor:
            schema = _aside(cursor)
            if schema is None:
                return
            quoted = connection.ops.quote_name(schema)
            cursor.execute(f"DROP SCHEMA IF EXISTS {quoted} CASCADE")
            cursor.execute(f"ALTER SCHEMA {_ASIDE} RENAME TO {quoted}")

    def drop_aside(self, folder: Path) -> None:
        """Drop the old schema."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {_ASIDE} CASCADE")

    def counts(self) -> dict[str, int]:
        """Return the rows of each table there is now."""
        return _counts(connection)


@contextmanager
def _counted(own: BaseDatabaseWrapper) -> Iterator[Future[tuple[dict[str, int], list[str]]]]:
    """Count what a transaction sees, beside what this context does; what is not wanted is stopped."""
    own.inc_thread_sharing()
    with ThreadPoolExecutor(1, "count") as pool:
        counted = pool.submit(lambda: (_counts(own), _migrations(own)))
        try:
            yield counted
        finally:
            while not counted.done():
                own.connection.cancel()  # of the table that it counts now
                wait([counted], timeout=1)
            own.dec_thread_sharing()


def _others(cursor: Any) -> tuple[int, str | None]:
    """Return how many others are connected to this database, and who they are."""
    cursor.execute(
        "SELECT count(*), string_agg(DISTINCT coalesce(nullif(application_name, ''), '?')"
        " || ' at ' || coalesce(host(client_addr), 'this machine'), ', ')"
        "  FROM pg_stat_activity WHERE datname = current_database()"
        "   AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    found: tuple[int, str | None] = cursor.fetchone()
    return found


def _separate() -> BaseDatabaseWrapper:
    """Return a connection that nobody else uses: its transaction lasts as long as the copy."""
    return connections.create_connection(connection.alias)


def _aside(cursor: Any) -> str | None:
    """Return the name that the schema had which was set aside; None when none is."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", [_ASIDE]
    )
    row = cursor.fetchone()
    return None if row is None else row[0] or "public"


def _counts(of: BaseDatabaseWrapper) -> dict[str, int]:
    with of.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
        )
        names = [name for (name,) in cursor.fetchall()]
        counted = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {of.ops.quote_name(name)}")  # noqa: S608 - of the schema
            counted[name] = cursor.fetchone()[0]
        return counted


def _migrations(of: BaseDatabaseWrapper) -> list[str]:
    with of.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        return sorted(name for (name,) in cursor.fetchall())


def program(name: str) -> str:
    """
    Return the path of a program that is at least as new as the server.

    Raises:
        ToolMissing: there is none; the text says what to install.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10000
    on_path = shutil.which(name)
    newest_first = sorted(
        _DEBIAN.glob(f"*/bin/{name}"), key=lambda path: _number(path.parts[-3]), reverse=True
    )
    found: list[int] = []
    for path in filter(None, (on_path, *map(str, newest_first))):
        version = _version(path)
        if version >= server:
            return path
        found.append(version)
    here = f"{name} {max(found)} is too old for it" if found else f"there is no {name} here"
    raise ToolMissing(
        f"The server is PostgreSQL {server}, and {here}: install its client programs "
        f"(Debian: postgresql-client-{server}) where this runs."
    )


def _version(path: str) -> int:
    """Return a program's major version; 0 when it does not say."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"\) (\d+)", said.stdout)
    return int(found[1]) if found else 0


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def environment() -> dict[str, str]:
    """Return the environment that leads libpq's programs to our database."""
    parameters = {
        name: str(value)
        for name, value in connection.get_connection_params().items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }
    names = {
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "host": "PGHOST",
        "port": "PGPORT",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "sslcert": "PGSSLCERT",
        "sslkey": "PGSSLKEY",
        "service": "PGSERVICE",
        "passfile": "PGPASSFILE",
        "options": "PGOPTIONS",
    }
    ours = {names[name]: value for name, value in parameters.items() if name in names}
    inherited = {name: value for name, value in os.environ.items() if name not in names.values()}
    return {**inherited, **ours, "PGAPPNAME": "taskcenter backup"}


def _last_line(errors: IO[bytes]) -> str:
    """Return the last line that a program wrote to its errors."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it did not say why"
