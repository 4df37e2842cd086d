"""
One run, read by its id, by a statement that is kept.

Django takes longer to make the statement than the database to answer it, so it is made once for
each actor and kept for as long as its credential is believed. PostgreSQL takes longer to plan it
than to answer it, so it keeps the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import kept, queries
from backgroundtasks.handlers import registry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.expressions import Combinable

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus

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

    def read(self, actor: Actor, run_id: UUID) -> tuple[Any, ...] | None:
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
            known = self._made[id(actor)] = _Statement(actor, types, _of(actor, self._columns))
        return known.query.first(run_id)


@dataclass(frozen=True, slots=True)
class _Statement:
    """The query of one actor for one run."""

    #: Held, so that its `id()` stays its own.
    actor: Actor
    types: int
    query: kept.Query[[UUID], tuple[Any, ...]]


def _of(actor: Actor, columns: tuple[str | Combinable, ...]) -> kept.Query[[UUID], tuple[Any, ...]]:
    @kept.query
    def query(run: UUID) -> QuerySet[TaskStatus, tuple[Any, ...]]:
        return queries.visible_runs(actor).filter(pk=run).values_list(*columns)

    return query
