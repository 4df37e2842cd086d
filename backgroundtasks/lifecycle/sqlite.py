"""
Submission, claim and finish on SQLite: short IMMEDIATE transactions.

The same functions as in `postgres`; see there for why they leave the ORM.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX

from backgroundtasks import clock
from backgroundtasks.lifecycle.rows import (
    BEGUN_STATES,
    CLAIMED_COLUMNS,
    HELD_STATES,
    RUN_COLUMNS,
    RUN_TABLE,
    TASK_COLUMNS,
    TASK_TABLE,
    Claim,
    ClaimedRun,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta

    from django.db.backends.base.base import BaseDatabaseWrapper

    from backgroundtasks.lifecycle.rows import Finish, NewRun


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['?'] * len(columns))})"


_TASK_INSERT: Final = _insert(TASK_TABLE, TASK_COLUMNS)
_RUN_INSERT: Final = _insert(RUN_TABLE, RUN_COLUMNS)

_READY: Final = f"""
      FROM {RUN_TABLE} AS run
     WHERE queue = ? AND state = 'queued'
       AND NOT EXISTS (SELECT 1 FROM backgroundtasks_queue WHERE name = ? AND paused_at IS NOT NULL)
       AND (exclusive_key IS NULL OR NOT EXISTS (
            SELECT 1 FROM {RUN_TABLE} AS holder
             WHERE holder.exclusive_key = run.exclusive_key
               AND holder.state IN {BEGUN_STATES}))
     ORDER BY priority DESC, position LIMIT ?
"""
_PEEK: Final = f"SELECT 1 {_READY}"
_TAKE: Final = f"""
    UPDATE {RUN_TABLE} SET state = 'running', attempt = attempt + 1, token = ?, worker_id = ?,
           started_at = ?, modified_at = ?, lease_until = ?, cancel_requested_at = NULL, event = event + 1
     WHERE id IN ({{which}})
    RETURNING {", ".join(CLAIMED_COLUMNS)},
              (SELECT parameters FROM {TASK_TABLE} AS task WHERE task.id = task_id),
              priority, position
"""
_TAKE_ONE: Final = _TAKE.format(which=f"SELECT id {_READY}")
_TAKE_SEVERAL: Final = _TAKE.format(
    which=f"""
    SELECT id FROM (
        SELECT id, row_number() OVER places AS place, min(batchable) OVER places AS together
          FROM (SELECT id, batchable AND NOT solo AS batchable, priority, position {_READY})
        WINDOW places AS (ORDER BY priority DESC, position ROWS UNBOUNDED PRECEDING))
     WHERE place = 1 OR together"""
)
_FINISH: Final = f"""
    UPDATE {RUN_TABLE}
       SET state = ?, result = ?, processed = ?, total = ?, text = ?, finished_at = ?,
           modified_at = ?, expires_at = ?, lease_until = NULL, token = NULL, error = '', event = event + 1
     WHERE id = ? AND attempt = ? AND token = ? AND state IN {HELD_STATES}
"""


def insert(run: NewRun, *, with_task: bool) -> None:
    """Store a new run, with its task unless that exists; idle workers see the commit."""
    with transaction.atomic(), _cursor() as cursor:
        if with_task:
            cursor.execute(_TASK_INSERT, _adapted(run.task_row()))
        cursor.execute(_RUN_INSERT, _adapted(run.run_row()))


def insert_many(chunks: Iterable[Sequence[NewRun]]) -> None:
    """Store new runs with their tasks, about a thousand in a chunk; within a transaction."""
    with _cursor() as cursor:
        for runs in chunks:
            cursor.executemany(_TASK_INSERT, [_adapted(run.task_row()) for run in runs])
            cursor.executemany(_RUN_INSERT, [_adapted(run.run_row()) for run in runs])


def claim(
    queue: str,
    *,
    most: int,
    token: int,
    worker_id: UUID,
    lease: timedelta,
    finishes: Sequence[Finish] = (),
    finish_token: int = 0,
) -> Claim:
    """Finish the runs in `finishes` and claim up to `most` others, in one transaction."""
    if not finishes and not has_work([queue]):
        # Without this look, idle workers would fight for the one write lock.
        return Claim((), more=False, finished=frozenset())
    with transaction.atomic(), _cursor() as cursor:
        finished = _finish(cursor, finishes, finish_token)
        now = clock.now()
        cursor.execute(
            _TAKE_ONE if most == 1 else _TAKE_SEVERAL,
            (
                token,
                worker_id.hex,
                _stamp(now),
                _stamp(now),
                _stamp(now + lease),
                queue,
                queue,
                most,
            ),
        )
        rows = cursor.fetchall()
    # RETURNING has no order of its own.
    rows.sort(key=lambda row: (-row[-2], row[-1]))
    runs = [_claimed(row[:-2]) for row in rows]
    return Claim(runs, more=len(runs) == most or has_work([queue]), finished=finished)


def finish(finishes: Sequence[Finish], *, token: int) -> frozenset[UUID]:
    """Finish runs; return which of them were still this worker's."""
    with transaction.atomic(), _cursor() as cursor:
        return _finish(cursor, finishes, token)


def has_work(queues: Sequence[str]) -> bool:
    """Return whether a worker of these queues would find a run to claim; takes no lock."""
    with _cursor() as cursor:
        for queue in queues:
            cursor.execute(_PEEK, (queue, queue, 1))
            if cursor.fetchone():
                return True
    return False


def lock(key: str) -> None:
    """Do nothing: a transaction of ours (IMMEDIATE) keeps all others from writing."""


def read(sql: str, values: Sequence[Any], database: BaseDatabaseWrapper | None = None) -> list[Any]:
    """
    Run a statement that is run again and again; return its rows as the driver gives them.

    Args:
        sql: With the places that Django's cursors take: `%s`.
        values: Theirs; UUIDs and moments as Python has them.
        database: The connection, for who has it: Django's `connection` looks for it at each use.
    """
    database = database or connections[DEFAULT_DB_ALIAS]
    if database.queries_logged or database.execute_wrappers:
        with database.cursor() as watched:
            watched.execute(sql, _adapted(values))
            return list(watched.fetchall())
    database.close_if_health_check_failed()
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor: sqlite3.Cursor = database.connection.execute(_with_marks(sql), _adapted(values))
        return cursor.fetchall()


def read_each(
    sql: str, values: Sequence[Sequence[Any]], database: BaseDatabaseWrapper | None = None
) -> list[list[Any]]:
    """Run a statement once for each set of values; return the rows of each. See `read`."""
    database = database or connections[DEFAULT_DB_ALIAS]
    if database.queries_logged or database.execute_wrappers:
        return [read(sql, each, database) for each in values]
    database.close_if_health_check_failed()
    database.ensure_connection()
    sql = _with_marks(sql)
    with database.wrap_database_errors, closing(database.connection.cursor()) as cursor:
        return [cursor.execute(sql, _adapted(each)).fetchall() for each in values]


@lru_cache(maxsize=1000)
def _with_marks(sql: str) -> str:
    """Return a statement of Django's with the places that the driver takes."""
    return FORMAT_QMARK_REGEX.sub("?", sql).replace("%%", "%")


def commit_lazily() -> None:
    """Do nothing: with `synchronous=NORMAL` only checkpoints wait for the disk."""


def wake() -> None:
    """Do nothing: brokers watch for commits."""


@contextmanager
def _cursor() -> Iterator[sqlite3.Cursor]:
    """
    Open a cursor of the driver on Django's connection.

    Django's own rewrites the placeholders of every statement that it runs, which costs as
    much as the statement.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, closing(sqlite3.Cursor(connection.connection)) as cursor:
        yield cursor


def _finish(cursor: sqlite3.Cursor, finishes: Sequence[Finish], token: int) -> frozenset[UUID]:
    now = clock.now()
    finished = set()
    for done in finishes:
        cursor.execute(
            _FINISH,
            (
                done.state.value,
                None if done.result is None else json.dumps(done.result),
                done.processed,
                done.total,
                done.text,
                _stamp(now),
                _stamp(now),
                _stamp(now + done.retention),
                done.run_id.hex,
                done.attempt,
                token,
            ),
        )
        if cursor.rowcount == 1:
            finished.add(done.run_id)
    return frozenset(finished)


def _stamp(moment: datetime) -> str:
    """Return an aware moment as Django stores it on SQLite: UTC, without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _adapted(row: Sequence[Any]) -> list[Any]:
    """Return a row as Django stores it on SQLite."""
    return [
        value.hex
        if isinstance(value, UUID)
        else _stamp(value)
        if isinstance(value, datetime)
        else value
        for value in row
    ]


def _claimed(row: Sequence[Any]) -> ClaimedRun:
    """Return the run of a row."""
    values = dict(zip(CLAIMED_COLUMNS, row, strict=False))
    for name in ("id", "task_id", "account_id"):
        values[name] = UUID(values[name])
    if values["parent_id"] is not None:
        values["parent_id"] = UUID(values["parent_id"])
    values["batchable"] = bool(values["batchable"])
    values["memory"] = json.loads(values["memory"]) if values["memory"] else None
    return ClaimedRun(**values, parameters=json.loads(row[len(CLAIMED_COLUMNS)]))
