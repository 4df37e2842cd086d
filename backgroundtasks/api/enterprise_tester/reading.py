"""One run, read by its public id: through the ORM, or by a statement that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backgroundtasks import exceptions, queries
from backgroundtasks.api.enterprise_tester.vocabulary import COLUMNS, Run, belongs, run_id_of
from backgroundtasks.api.errors import NotFound
from backgroundtasks.api.statements import KeptStatement
from backgroundtasks.models import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from backgroundtasks.handlers import Actor

_statement: Final = KeptStatement(COLUMNS)


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
    rows = TaskStatus.objects.filter(pk__in=list(ids)).values_list(*COLUMNS)
    return [Run(*row) for row in rows]


def _unknown(public: str) -> NotFound:
    return NotFound(f"There is no background task {public[:100]}.")
