"""Runs as this dialect shows them: a page of them, or one, with what they said."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from backgroundtasks import clock, exceptions, queries
from backgroundtasks.api.sailpoint.vocabulary import COLUMNS, Row, Said
from backgroundtasks.models import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from backgroundtasks.handlers import Actor

#: Older runs are not shown, whatever their retention.
SHOWN: Final = timedelta(days=90)
#: Messages of a run, the newest: on a page of many, and alone.
MESSAGES_IN_LIST: Final = 20
MESSAGES_OF_ONE: Final = 1000
#: An id as the database's driver gives it.
Id = UUID | str
_FROM: Final = f'FROM "{TaskStatus._meta.db_table}"'  # noqa: SLF001 - documented API
_ID: Final = re.compile(r"[0-9a-f]{32}")


def oldest_shown() -> int:
    """Return the place of the oldest run that is shown."""
    return clock.position_at(clock.now() - SHOWN)


def shown_runs(actor: Actor) -> QuerySet[TaskStatus]:
    """Return the runs that the actor may see and that are not too old."""
    return queries.visible_runs(actor).filter(position__gte=oldest_shown())


def read_one(actor: Actor, spelled: str) -> tuple[Row, list[Said]]:
    """
    Return a run and what it said.

    Queries: two.

    Raises:
        RunNotFound: unknown, flushed, invisible or too old.
    """
    run_id = run_id_of(spelled)
    found = read_rows(shown_runs(actor).filter(pk=run_id))
    if not found:
        raise exceptions.RunNotFound(spelled[:100])
    [row] = found
    return row, read_messages([row.id], most=MESSAGES_OF_ONE).get(row.id, [])


def run_id_of(spelled: str) -> UUID:
    """
    Return the id that 32 lower-case hex digits spell.

    Raises:
        RunNotFound: they are none.
    """
    if not is_id(spelled):
        raise exceptions.RunNotFound(spelled[:100])
    return UUID(spelled)


def is_id(spelled: str) -> bool:
    """Whether this has the form of an id here: 32 lower-case hex digits."""
    return _ID.fullmatch(spelled) is not None


def read_rows(runs: QuerySet[TaskStatus], *, index: str = "") -> list[Row]:
    """Return what is shown of runs, in their order, as the driver gives it."""
    try:
        sql, parameters = compiled(runs.values_list(*COLUMNS), index=index)
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Row(*row) for row in cursor.fetchall()]


def compiled(runs: QuerySet[Any, Any], *, index: str = "") -> tuple[str, tuple[Any, ...]]:
    """
    Return the statement that reads runs, and its values.

    Args:
        runs: What to read.
        index: Which index SQLite shall take, as it keeps no statistics; PostgreSQL knows.

    Raises:
        EmptyResultSet: there can be none.
    """
    sql, values = runs.query.get_compiler(connection=connection).as_sql()
    if index and connection.vendor == "sqlite":
        sql = sql.replace(_FROM, f'{_FROM} INDEXED BY "{index}"', 1)
    return sql, values


def read_messages(run_ids: Sequence[Id], *, most: int) -> dict[Id, list[Said]]:
    """Return run (as the driver gives ids) to its newest messages, at most `most`, oldest first."""
    found: dict[Id, list[Said]] = {}
    for run_id, *said in queries.newest_messages(run_ids, most=most):
        found.setdefault(run_id, []).append(Said(*said))
    return found
