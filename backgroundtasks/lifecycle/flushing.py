"""Finished runs go when their retention has passed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import DO_NOTHING, Exists, OuterRef
from django.db.models.functions import Now

from backgroundtasks.models import (
    Attempt,
    Edition,
    IdempotencyKey,
    Message,
    Schedule,
    Task,
    TaskStatus,
)
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from django.db.models import Model

#: Messages that one transaction of a flush deletes at most.
_MESSAGES: Final = 2000
#: What hangs on runs and tasks, and has nothing hanging on itself.
_HANGING: Final = (Attempt, Edition, IdempotencyKey, Message, Schedule, TaskStatus)
#: Runs that one transaction marks to be flushed.
_RUNS: Final = 500


def flush(limit: int = 150) -> int:
    """
    Delete finished runs whose retention has passed, with what hangs on them.

    A small batch a call, so that no lock is held for long; tasks that have neither a run
    nor a schedule left go with their last run. The children of an unfinished run stay: it would
    start them anew.
    """
    expired = _expired(limit)
    if not expired:
        return 0
    runs = [run for run, _ in expired]
    _flush_messages(runs)
    with transaction.atomic():
        _delete(TaskStatus, runs)
        drop_idle_tasks({task for _, task in expired})
    return len(expired)


def drop_run(run_id: UUID, task_id: UUID) -> bool:
    """Delete a finished run with what hangs on it; return whether there was one."""
    _flush_messages([run_id])
    with transaction.atomic():
        if not TaskStatus.objects.filter(pk=run_id, state__in=FINAL).exists():
            return False
        _delete(TaskStatus, [run_id])
        drop_idle_tasks([task_id])
    return True


@contextmanager
def own_checkpoints() -> Iterator[Callable[[], None]]:
    """
    Keep SQLite from copying its log into the database within commits; give what does that.

    What a flush changes is scattered, so the copying takes longer than the transaction. It keeps no
    writer waiting, but whoever measures a batch would take it for that. Elsewhere: nothing.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield lambda: None
        return
    with connection.cursor() as cursor:
        [before] = cursor.execute("PRAGMA wal_autocheckpoint").fetchone()
        cursor.execute("PRAGMA wal_autocheckpoint=0")
    try:
        yield _checkpoint
    finally:
        _checkpoint()
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA wal_autocheckpoint={int(before)}")


def others_wait() -> bool:
    """Return whether others have to wait for who writes: SQLite has one writer at a time."""
    return connection.vendor == "sqlite"


def drop_idle_tasks(ids: Collection[Any]) -> None:
    """Delete those of these tasks that have neither a run nor a schedule."""
    if _strangers(Task):
        Task.objects.filter(pk__in=ids, runs__isnull=True, schedule__isnull=True).delete()
        return
    task, run, schedule = (_table(model) for model in (Task, TaskStatus, Schedule))
    idle = (
        f"{_among('id')}"
        f" AND NOT EXISTS (SELECT 1 FROM {run} r WHERE r.task_id = {task}.id)"
        f" AND NOT EXISTS (SELECT 1 FROM {schedule} s WHERE s.task_id = {task}.id)"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One that somebody holds is about to have a run again; one that was held until now
            # has it, which the statement after this sees.
            cursor.execute(
                f"SELECT id FROM {task} WHERE {idle} FOR UPDATE SKIP LOCKED", [_bound(ids)]
            )
            ids = [pk for (pk,) in cursor.fetchall()]
        cursor.execute(
            f"DELETE FROM {_table(Edition)} WHERE task_id IN (SELECT id FROM {task} WHERE {idle})",
            [_bound(ids)],
        )
        cursor.execute(f"DELETE FROM {task} WHERE {idle}", [_bound(ids)])


def expire_runs_of(task_id: UUID) -> None:
    """Have a task's finished runs flushed now."""
    kept = TaskStatus.objects.filter(task_id=task_id, state__in=FINAL, expires_at__gt=Now())
    # In portions, so that no lock is held for long.
    while ids := list(kept.values_list("pk", flat=True)[:_RUNS]):
        TaskStatus.objects.filter(pk__in=ids).update(expires_at=Now())


def _expired(limit: int) -> list[tuple[Any, Any]]:
    """
    Return run and task of what may go, as the driver gives them.

    To make objects of their ids would cost as much as deleting their rows.
    """
    parent = TaskStatus.objects.filter(pk=OuterRef("parent_id")).exclude(state__in=FINAL)
    expired = TaskStatus.objects.filter(expires_at__lt=Now()).exclude(Exists(parent))
    wanted = expired.order_by("expires_at").values_list("pk", "task_id")[:limit]
    with connection.cursor() as cursor:
        cursor.execute(*wanted.query.sql_with_params())
        found: list[tuple[Any, Any]] = cursor.fetchall()
    return found


def _flush_messages(runs: Sequence[Any]) -> None:
    """Delete what talkative runs said, in portions: the last one goes with the runs."""
    message = _table(Message)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                f"SELECT id FROM {message} WHERE {_among('run_id')} LIMIT {_MESSAGES}",
                [_bound(runs)],
            )
            portion = [pk for (pk,) in cursor.fetchall()]
            if len(portion) < _MESSAGES:
                return
            Message.objects.filter(pk__in=portion).delete()


def _delete(model: type[Model], ids: Sequence[Any]) -> None:
    """
    Delete rows and the rows of ours that hang on them.

    The ORM would read all of them first, which costs more than deleting them. Where a host
    project has hung rows of its own on ours, it has to.
    """
    if _strangers(model):
        model._default_manager.filter(pk__in=ids).delete()  # noqa: SLF001 - documented
        return
    bound = [_bound(ids)]
    with connection.cursor() as cursor:
        for relation in _hanging(model):
            column = relation.field.column
            cursor.execute(
                f"DELETE FROM {_table(relation.related_model)} WHERE {_among(column)}", bound
            )
        cursor.execute(f"DELETE FROM {_table(model)} WHERE {_among('id')}", bound)


def _hanging(model: type[Model]) -> list[Any]:
    """Return the relations of rows that go with a row of this model."""
    return [
        relation
        for relation in model._meta.related_objects  # noqa: SLF001 - documented
        if relation.on_delete is not DO_NOTHING
    ]


def _strangers(model: type[Model]) -> bool:
    """Return whether rows that we do not know hang on rows of this model."""
    return any(relation.related_model not in _HANGING for relation in _hanging(model))


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - documented


def _among(column: str) -> str:
    """Return a condition that takes one parameter: thousands take longer to bind than to delete."""
    if connection.vendor == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(%s))"
    return f"{column} = ANY(%s)"


def _bound(ids: Collection[Any]) -> Any:
    """Return ids, as the driver gives them or as UUIDs, for the parameter of `_among`."""
    if connection.vendor == "sqlite":
        return json.dumps([pk.hex if isinstance(pk, UUID) else pk for pk in ids])
    return list(ids)


def _checkpoint() -> None:
    """Copy what is in SQLite's log into the database, as far as no reader needs it there."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
