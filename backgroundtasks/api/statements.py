"""
One run, read by its id, by a statement that is kept.

Django takes longer to make the statement than the database to answer it, so it is made once for
each actor and kept for as long as its credential is believed. PostgreSQL takes longer to plan it
than to answer it, so it keeps the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from backgroundtasks import queries
from backgroundtasks.handlers import registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models.expressions import Combinable

    from backgroundtasks.handlers import Actor

#: Stands for the id in a statement until it is known.
_PLACE: Final = UUID("00000000-0000-4000-8000-00000000c0de")
_MOST: Final = 1000


class KeptStatement:
    """
    Reads the same columns of one run for whoever may see it.

    Args:
        columns: As for `values_list()` of a run.
    """

    def __init__(self, columns: Sequence[str | Combinable]) -> None:
        self._columns = tuple(columns)
        self._made: dict[int, _Statement] = {}

    def read(self, actor: Actor, run_id: UUID) -> list[Any] | None:
        """
        Return the columns of a run; None when it is unknown, flushed or invisible.

        Queries: one.
        """
        types = len(registry.all_handlers())
        known = self._made.get(id(actor))
        # A new task type makes the statement anew.
        if known is None or known.actor is not actor or known.types != types:
            if len(self._made) >= _MOST:
                self._made.clear()
            known = self._made[id(actor)] = _compile(actor, types, self._columns)
        return known.read(run_id)


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

    def read(self, run_id: UUID) -> list[Any] | None:
        if self.sql is None:
            return None
        parameters = [*self.parameters]
        parameters[self.place] = run_id if connection.features.has_native_uuid_field else run_id.hex
        rows = queries.read_rows(self.sql, parameters)
        if not rows:
            return None
        values = [*rows[0]]
        for index, (functions, expression) in self.converters:
            for convert in functions:
                values[index] = convert(values[index], expression, connection)
        return values


def _compile(actor: Actor, types: int, columns: tuple[str | Combinable, ...]) -> _Statement:
    runs = queries.visible_runs(actor).filter(pk=_PLACE).values_list(*columns)
    compiler = runs.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return _Statement(actor, types, None, (), 0, ())
    converters = compiler.get_converters([column for column, _, _ in compiler.select])
    places = [n for n, value in enumerate(parameters) if value in {_PLACE, _PLACE.hex}]
    # The same id may stand for itself in a handler's own condition: the last one is ours.
    return _Statement(actor, types, sql, tuple(parameters), places[-1], tuple(converters.items()))
