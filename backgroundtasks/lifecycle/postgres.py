"""
Submission, claim and finish on PostgreSQL: one round trip each.

These bypass the ORM, which costs 2.4 times as much a submission and 4.4 times as much in
bulk (docs/decisions/0003-four-paths-leave-the-orm.md). They run on Django's own connection,
so the caller's `atomic()` holds for them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connection, connections

from backgroundtasks.lifecycle.rows import (
    BEGUN_STATES,
    CHANNEL,
    CLAIMED_COLUMNS,
    HELD_STATES,
    RUN_COLUMNS,
    RUN_TABLE,
    TASK_COLUMNS,
    TASK_TABLE,
    Claim,
    ClaimedRun,
)
from backgroundtasks.models import Task, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

    from backgroundtasks.lifecycle.rows import Finish, NewRun


def _slots(columns: Sequence[str]) -> str:
    return ", ".join(["%s"] * len(columns))


_RUN_INSERT: Final = f"INSERT INTO {RUN_TABLE} ({', '.join(RUN_COLUMNS)})"
_TASK_INSERT: Final = f"INSERT INTO {TASK_TABLE} ({', '.join(TASK_COLUMNS)})"

_SUBMIT: Final = (
    f"WITH t AS ({_TASK_INSERT} VALUES ({_slots(TASK_COLUMNS)})), "
    f"r AS ({_RUN_INSERT} VALUES ({_slots(RUN_COLUMNS)})) "
    f"SELECT pg_notify('{CHANNEL}', '')"
)
_SUBMIT_AGAIN: Final = (
    f"WITH r AS ({_RUN_INSERT} VALUES ({_slots(RUN_COLUMNS)})) SELECT pg_notify('{CHANNEL}', '')"
)


@cache
def _submit_many() -> str:
    """Return the statement of `insert_many`; its casts come from the models' columns."""
    return (
        f"WITH t AS ({_TASK_INSERT} {_unnest(Task, TASK_COLUMNS)}), "
        f"r AS ({_RUN_INSERT} {_unnest(TaskStatus, RUN_COLUMNS)}) "
        f"SELECT pg_notify('{CHANNEL}', '')"
    )


def _unnest(model: type[Model], columns: Sequence[str]) -> str:
    types = {field.column: field.db_type(connection) for field in model._meta.local_fields}  # noqa: SLF001
    return f"SELECT * FROM unnest({', '.join(f'%s::{types[name]}[]' for name in columns)})"


_HEAD: Final = f"""
    SELECT id, batchable AND NOT solo AS batchable FROM {RUN_TABLE} AS run
     WHERE queue = %s AND state = 'queued'
       AND NOT EXISTS (SELECT 1 FROM backgroundtasks_queue WHERE name = %s AND paused_at IS NOT NULL)
       AND (exclusive_key IS NULL OR NOT EXISTS (
            SELECT 1 FROM {RUN_TABLE} AS holder
             WHERE holder.exclusive_key = run.exclusive_key
               AND holder.state IN {BEGUN_STATES}))
     ORDER BY priority DESC, position
     LIMIT %s FOR UPDATE SKIP LOCKED
"""
_LOOK: Final = _HEAD.replace("FOR UPDATE SKIP LOCKED", "")
#: Executions of a statement before it is prepared; a web process that submits once never does.
_PREPARE_AFTER: Final = 2
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', '')"
_TAKE: Final = f"""
    UPDATE {RUN_TABLE} SET state = 'running', attempt = attempt + 1, token = %s, worker_id = %s,
           started_at = clock_timestamp(), lease_until = clock_timestamp() + %s,
           cancel_requested_at = NULL, event = event + 1,
           modified_at = clock_timestamp()
     WHERE id = ANY(ARRAY({{which}}))
    RETURNING {", ".join(CLAIMED_COLUMNS)}, priority, position
"""
# `= ANY(ARRAY(…))` leaves the planner no choice of a hash join over the whole table.
_CLAIM_ONE: Final = (
    f"head AS MATERIALIZED ({_HEAD}), taken AS ({_TAKE.format(which='SELECT id FROM head')})"
)
_CLAIM_SEVERAL: Final = (
    f"head AS MATERIALIZED ({_HEAD}), "
    "ranked AS (SELECT id, row_number() OVER () AS place, "
    "bool_and(batchable) OVER (ROWS UNBOUNDED PRECEDING) AS together FROM head), "
    f"taken AS ({_TAKE.format(which='SELECT id FROM ranked WHERE place = 1 OR together')})"
)
#: What the statement reads of each `Finish`, with its type.
_DONE: Final = {
    "id": "uuid",
    "attempt": "int",
    "state": "text",
    "result": "text",
    "processed": "bigint",
    "total": "bigint",
    "text": "text",
    "retention": "interval",
}
_FINISH: Final = f"""
    finished AS (
    UPDATE {RUN_TABLE} AS run
       SET state = done.state, result = done.result::jsonb, processed = done.processed,
           total = done.total, text = done.text, finished_at = clock_timestamp(),
           expires_at = clock_timestamp() + done.retention, lease_until = NULL, token = NULL,
           error = '', event = event + 1,
           modified_at = clock_timestamp()
      FROM {{source}} AS done({", ".join(_DONE)})
     WHERE run.id = done.id AND run.attempt = done.attempt AND run.token = %s
       AND run.state IN {HELD_STATES}
    RETURNING run.id)
"""
# One row is planned as a look-up by its id; arrays cost a quarter more for it, on both sides.
_FINISH_ONE: Final = _FINISH.format(
    source=f"(VALUES ({', '.join(f'%s::{kind}' for kind in _DONE.values())}))"
)
_FINISH_SEVERAL: Final = _FINISH.format(
    source=f"unnest({', '.join(f'%s::{kind}[]' for kind in _DONE.values())})"
)
_TAKEN: Final = (
    "(SELECT count(*) FROM head), "
    + ", ".join(f"taken.{name}" for name in CLAIMED_COLUMNS)
    + ", task.parameters"
)
_TAKEN_FROM: Final = (
    f"FROM (SELECT 1) AS one LEFT JOIN taken ON true LEFT JOIN {TASK_TABLE} AS task "
    "ON task.id = taken.task_id"
    # RETURNING has no order of its own.
    " ORDER BY taken.priority DESC, taken.position"
)


def insert(run: NewRun, *, with_task: bool) -> None:
    """Store a new run, with its task unless that exists, and tell the workers."""
    if with_task:
        _execute(_SUBMIT, (*run.task_row(), *run.run_row()))
    else:
        _execute(_SUBMIT_AGAIN, run.run_row())


def insert_many(chunks: Iterable[Sequence[NewRun]]) -> None:
    """
    Store new runs with their tasks, about a thousand in a chunk, and tell the workers.

    Within a transaction. The server stores one chunk while the next one is being made.
    """
    driver = _driver(connections[DEFAULT_DB_ALIAS])
    with connection.wrap_database_errors, driver.pipeline():
        for runs in chunks:
            tasks = zip(*(run.task_row() for run in runs), strict=True)
            rows = zip(*(run.run_row() for run in runs), strict=True)
            values = [list(column) for column in (*tasks, *rows)]
            psycopg.Cursor(driver).execute(_submit_many(), values)


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
    """
    Finish the runs in `finishes` and claim up to `most` others, in one statement.

    A claim of several takes the head of the queue and what follows it while all are
    batchable; everything stays in order of priority and position.
    """
    parts = [_CLAIM_ONE if most == 1 else _CLAIM_SEVERAL]
    values: list[Any] = [queue, queue, most, token, worker_id, lease]
    finished = "NULL"
    if finishes:
        statement, done = _finish(finishes, finish_token)
        parts.insert(0, statement)
        values = [*done, *values]
        finished = "(SELECT array_agg(id) FROM finished)"
    rows = _execute(f"WITH {', '.join(parts)} SELECT {finished}, {_TAKEN} {_TAKEN_FROM}", values)
    runs = [_claimed(row[2:]) for row in rows if row[2] is not None]
    return Claim(runs, more=rows[0][1] > len(runs), finished=frozenset(rows[0][0] or ()))


def finish(finishes: Sequence[Finish], *, token: int) -> frozenset[UUID]:
    """Finish runs; return which of them were still this worker's."""
    statement, values = _finish(finishes, token)
    rows = _execute(f"WITH {statement} SELECT id FROM finished", values)
    return frozenset(row[0] for row in rows)


def has_work(queues: Sequence[str]) -> bool:
    """Return whether a worker of these queues would find a run to claim."""
    return any(_execute(_LOOK, (queue, queue, 1)) for queue in queues)


def lock(key: str) -> None:
    """Have others who lock the same key wait until the current transaction ends."""
    _execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def commit_lazily() -> None:
    """
    Let the current transaction's commit not wait for the disk.

    The log is written in order: a later commit that waits brings this one to the disk, too.
    """
    _execute("SELECT set_config('synchronous_commit', 'off', true)", ())


def wake() -> None:
    """Tell the workers that there may be work; with the commit of the current transaction."""
    _execute(_NOTIFY, ())


def read(sql: str, values: Sequence[Any], database: BaseDatabaseWrapper | None = None) -> list[Any]:
    """
    Run a statement that is run again and again; return its rows as the driver gives them.

    Args:
        sql: With the places that Django's cursors take: `%s`.
        values: Theirs.
        database: The connection, for who has it: Django's `connection` looks for it at each use.
    """
    database = database or connections[DEFAULT_DB_ALIAS]
    if database.queries_logged or database.execute_wrappers:
        return _plain(sql, values)
    try:
        return _execute(sql, values, database)
    except ProgrammingError:
        # A place whose type only its value tells: then the value must stand in the statement.
        return _plain(sql, values)


def read_each(
    sql: str, values: Sequence[Sequence[Any]], database: BaseDatabaseWrapper | None = None
) -> list[list[Any]]:
    """
    Run a statement once for each set of values; return the rows of each.

    One after the other, but sent together: the answers are waited for once.
    """
    database = database or connections[DEFAULT_DB_ALIAS]
    if len(values) < 2 or database.queries_logged or database.execute_wrappers:  # noqa: PLR2004 - one is not several
        return [read(sql, each, database) for each in values]
    try:
        with database.wrap_database_errors, psycopg.Cursor(_driver(database)) as cursor:
            cursor.executemany(sql, values, returning=True)
            rows = [cursor.fetchall()]
            while cursor.nextset():
                rows.append(cursor.fetchall())
            return rows
    except ProgrammingError:
        return [_plain(sql, each) for each in values]  # as in `read`


def _plain(sql: str, values: Sequence[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[Any] = cursor.fetchall()
    return rows


def _execute(
    sql: str, values: Sequence[Any], database: BaseDatabaseWrapper | None = None
) -> list[Any]:
    """
    Run a statement on Django's connection, prepared.

    Django's own cursors interpolate on the client, and planning these statements anew costs
    as much as running them. Poolers that cannot keep prepared statements are said to Django
    by DISABLE_SERVER_SIDE_CURSORS.
    """
    database = database or connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors, psycopg.Cursor(_driver(database)) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def _driver(database: BaseDatabaseWrapper) -> psycopg.Connection[Any]:
    """Return the driver's connection in Django's, set to prepare statements."""
    database.close_if_health_check_failed()
    database.ensure_connection()
    driver: psycopg.Connection[Any] = database.connection
    if driver.prepare_threshold is None and not database.settings_dict.get(
        "DISABLE_SERVER_SIDE_CURSORS"
    ):
        # Django switches preparing off; its own cursors never prepare all the same.
        driver.prepare_threshold = _PREPARE_AFTER
        with database.wrap_database_errors:
            driver.execute("SET plan_cache_mode = force_generic_plan")
    return driver


def _finish(finishes: Sequence[Finish], token: int) -> tuple[str, list[Any]]:
    """Return the part of a statement that finishes runs, and its values."""
    rows = [
        (
            done.run_id,
            done.attempt,
            done.state.value,
            None if done.result is None else json.dumps(done.result),
            done.processed,
            done.total,
            done.text,
            done.retention,
        )
        for done in finishes
    ]
    if len(rows) == 1:
        return _FINISH_ONE, [*rows[0], token]
    return _FINISH_SEVERAL, [*(list(column) for column in zip(*rows, strict=True)), token]


def _claimed(row: Sequence[Any]) -> ClaimedRun:
    """Return the run of a row; Django's connections leave JSON as text."""
    values = dict(zip(CLAIMED_COLUMNS, row, strict=False))
    values["memory"] = json.loads(values["memory"]) if values["memory"] else None
    return ClaimedRun(**values, parameters=json.loads(row[len(CLAIMED_COLUMNS)]))
