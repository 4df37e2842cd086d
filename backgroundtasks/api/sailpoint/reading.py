"""Runs as this dialect shows them: a page of them, or one, with what they said."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from backgroundtasks import clock, exceptions, queries
from backgroundtasks.api.sailpoint.vocabulary import COLUMNS, Row, Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus

#: Older runs are not shown, whatever their retention.
SHOWN: Final = timedelta(days=90)
#: Messages of a run, the newest: on a page of many, and alone.
MESSAGES_IN_LIST: Final = 20
MESSAGES_OF_ONE: Final = 1000
#: An id as the database's driver gives it.
Id = UUID | str
_ID: Final = re.compile(r"[0-9a-f]{32}")


def shown_runs(actor: Actor) -> QuerySet[TaskStatus]:
    """Return the runs that the actor may see and that are not too old."""
    oldest = clock.position_at(clock.now() - SHOWN)
    return queries.visible_runs(actor).filter(position__gte=oldest)


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
    if not _ID.fullmatch(spelled):
        raise exceptions.RunNotFound(spelled[:100])
    return UUID(spelled)


def read_rows(runs: QuerySet[TaskStatus]) -> list[Row]:
    """Return what is shown of runs, in their order, as the driver gives it."""
    compiler = runs.values_list(*COLUMNS).query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [Row(*row) for row in cursor.fetchall()]


def read_messages(run_ids: Sequence[Id], *, most: int) -> dict[Id, list[Said]]:
    """Return run (as the driver gives ids) to its newest messages, at most `most`, oldest first."""
    found: dict[Id, list[Said]] = {}
    for run_id, *said in queries.newest_messages(run_ids, most=most):
        found.setdefault(run_id, []).append(Said(*said))
    return found
