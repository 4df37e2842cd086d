"""What this dialect shows of runs, read by their public ids or in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import F, OuterRef, Subquery

from backgroundtasks import queries
from backgroundtasks.api.enterprise_tester.vocabulary import Run, belongs, run_id_of
from backgroundtasks.api.errors import NotFound
from backgroundtasks.api.statements import KeptStatement
from backgroundtasks.models import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.expressions import Combinable

    from backgroundtasks.handlers import Actor

#: What a representation is made of, in the order of `Run`.
COLUMNS: Final[tuple[str | Combinable, ...]] = (
    "id",
    "task_type",
    "state",
    "processed",
    "total",
    "text",
    "error",
    "queued_at",
    "started_at",
    "finished_at",
    "event",
    "result",
    F("task__labels"),
    "parent_id",
    # No join: conditions of partial indexes name the table's columns alone.
    Subquery(TaskStatus.objects.filter(pk=OuterRef("parent_id")).values("task_type")),
)
_statement: Final = KeptStatement(COLUMNS)


def get_run(actor: Actor, public: str) -> Run:
    """
    Return a run by its public id.

    Queries: one.

    Raises:
        NotFound: unknown, flushed or invisible, or the prefix is another type's.
    """
    run_id = run_id_of(public)
    run = None if run_id is None else find_run(actor, run_id)
    if run is None or not belongs(public, run):
        raise _unknown(public)
    return run


def find_run(actor: Actor, run_id: UUID) -> Run | None:
    """Return a run by its own id; None when there is none that the actor sees."""
    return next(iter(read(queries.visible_runs(actor).filter(pk=run_id))), None)


def read(runs: QuerySet[TaskStatus]) -> list[Run]:
    """Return these runs, in their order."""
    return [Run(*row) for row in runs.values_list(*COLUMNS)]


def poll(actor: Actor, public: str) -> Run:
    """
    Return what is shown of a run; the same as `get_run`, at a fifth of its price.

    Queries: one.

    Raises:
        NotFound: as `get_run`.
    """
    run_id = run_id_of(public)
    row = None if run_id is None else _statement.read(actor, run_id)
    if row is None:
        raise _unknown(public)
    run = Run(*row)
    if not belongs(public, run):
        raise _unknown(public)
    return run


def read_many(ids: Iterable[UUID]) -> list[Run]:
    """Return the runs of these ids that exist: for streams, whose first look was checked."""
    return read(TaskStatus.objects.filter(pk__in=list(ids)))


def _unknown(public: str) -> NotFound:
    return NotFound(f"There is no background task {public[:100]}.")
