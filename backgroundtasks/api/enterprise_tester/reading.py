"""One run, read by its public id: through the ORM, or by a statement that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from backgroundtasks import exceptions, queries
from backgroundtasks.api.enterprise_tester.vocabulary import COLUMNS, Run, belongs, run_id_of
from backgroundtasks.api.errors import NotFound
from backgroundtasks.handlers import registry
from backgroundtasks.models import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backgroundtasks.handlers import Actor

#: Stands for the id in a statement until it is known.
_PLACE: Final = UUID("00000000-0000-4000-8000-00000000c0de")
_MOST: Final = 1000


def get_run(actor: Actor, public: str) -> TaskStatus:
    """
    Return a run by its public id.

    Raises:
        NotFound: unknown, flushed or invisible, or the prefix is another type's.
    """
    run_id = run_id_of(public)
    if run_id is None:
        raise _unknown(public)
    try:
        run = queries.get_run(actor, run_id)
    except exceptions.RunNotFound:
        raise _unknown(public) from None
    if not belongs(public, Run.of(run)):
        raise _unknown(public)
    return run


def poll(actor: Actor, public: str) -> Run:
    """
    Return what is shown of a run; the same as `get_run`, at a fifth of its price.

    Django takes longer to make the statement than the database to answer it, so it is made
    once for each actor and kept for as long as its credential is.

    Queries: one.

    Raises:
        NotFound: as `get_run`.
    """
    run_id = run_id_of(public)
    row = None if run_id is None else _statement(actor).run(run_id)
    if row is None or not belongs(public, row):
        raise _unknown(public)
    return row


def read_many(ids: Iterable[UUID]) -> list[Run]:
    """Return the runs of these ids that exist: for streams, whose first look was checked."""
    rows = TaskStatus.objects.filter(pk__in=list(ids)).values_list(*COLUMNS)
    return [Run(*row) for row in rows]


def _unknown(public: str) -> NotFound:
    return NotFound(f"There is no background task {public[:100]}.")


@dataclass(frozen=True, slots=True)
class _Statement:
    """The query of one actor for one run, as SQL."""

    #: Held, so that its `id()` stays its own.
    actor: Actor
    types: int
    #: None: this actor can see no run.
    sql: str | None
    parameters: tuple[Any, ...]
    place: int
    converters: Any

    def run(self, run_id: UUID) -> Run | None:
        """Return the run, if this actor sees it."""
        if self.sql is None:
            return None
        parameters = [*self.parameters]
        parameters[self.place] = run_id if connection.features.has_native_uuid_field else run_id.hex
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            row = cursor.fetchone()
        if row is None:
            return None
        values = [*row]
        for index, (functions, expression) in self.converters:
            for convert in functions:
                values[index] = convert(values[index], expression, connection)
        return Run(*values)


_statements: dict[int, _Statement] = {}


def _statement(actor: Actor) -> _Statement:
    """Return the statement of an actor; a new task type makes it anew."""
    types = len(registry.all_handlers())
    known = _statements.get(id(actor))
    if known is not None and known.actor is actor and known.types == types:
        return known
    if len(_statements) >= _MOST:
        _statements.clear()
    made = _compile(actor, types)
    _statements[id(actor)] = made
    return made


def _compile(actor: Actor, types: int) -> _Statement:
    runs = queries.visible_runs(actor).filter(pk=_PLACE).values_list(*COLUMNS)
    compiler = runs.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return _Statement(actor, types, None, (), 0, ())
    converters = compiler.get_converters([column for column, _, _ in compiler.select])
    places = [n for n, value in enumerate(parameters) if value in {_PLACE, _PLACE.hex}]
    # The same id may stand for itself in a handler's own condition: the last one is ours.
    return _Statement(actor, types, sql, tuple(parameters), places[-1], tuple(converters.items()))
