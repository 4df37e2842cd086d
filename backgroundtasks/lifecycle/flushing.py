"""Finished runs go when their retention has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
    from collections.abc import Collection, Sequence
    from uuid import UUID

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
    parent = TaskStatus.objects.filter(pk=OuterRef("parent_id")).exclude(state__in=FINAL)
    expired = TaskStatus.objects.filter(expires_at__lt=Now()).exclude(Exists(parent))
    expired = expired.order_by("expires_at")
    ids = list(expired.values_list("pk", "task_id")[:limit])
    if not ids:
        return 0
    runs = [pk for pk, _ in ids]
    _flush_messages(runs)
    with transaction.atomic():
        _delete(TaskStatus, runs)
        drop_idle_tasks({task for _, task in ids})
    return len(ids)


def drop_run(run_id: UUID, task_id: UUID) -> bool:
    """Delete a finished run with what hangs on it; return whether there was one."""
    _flush_messages([run_id])
    with transaction.atomic():
        if not TaskStatus.objects.filter(pk=run_id, state__in=FINAL).exists():
            return False
        _delete(TaskStatus, [run_id])
        drop_idle_tasks([task_id])
    return True


def drop_idle_tasks(ids: Collection[UUID]) -> None:
    """Delete those of these tasks that have neither a run nor a schedule."""
    idle = Task.objects.filter(runs__isnull=True, schedule__isnull=True)
    with transaction.atomic():
        # One that somebody holds is about to have a run again; one that was held until now has it.
        unheld = idle.filter(pk__in=ids).select_for_update(of=("self",), skip_locked=True)
        held = list(unheld.values_list("pk", flat=True))
        _delete(Task, list(idle.filter(pk__in=held).values_list("pk", flat=True)))


def expire_runs_of(task_id: UUID) -> None:
    """Have a task's finished runs flushed now."""
    kept = TaskStatus.objects.filter(task_id=task_id, state__in=FINAL, expires_at__gt=Now())
    # In portions, so that no lock is held for long.
    while ids := list(kept.values_list("pk", flat=True)[:_RUNS]):
        TaskStatus.objects.filter(pk__in=ids).update(expires_at=Now())


def _flush_messages(runs: list[UUID]) -> None:
    """Delete what talkative runs said, in portions: the last one goes with the runs."""
    while True:
        said = Message.objects.filter(run_id__in=runs).values_list("pk", flat=True)
        portion = list(said[:_MESSAGES])
        if len(portion) < _MESSAGES:
            return
        Message.objects.filter(pk__in=portion).delete()


def _delete(model: type[Model], ids: Sequence[UUID]) -> None:
    """
    Delete rows and the rows of ours that hang on them.

    The ORM would read all of them first, which costs more than deleting them. Where a host
    project has hung rows of its own on ours, it has to.
    """
    if not ids:
        return
    hanging = [
        relation
        for relation in model._meta.related_objects  # noqa: SLF001 - documented
        if relation.on_delete is not DO_NOTHING
    ]
    if any(relation.related_model not in _HANGING for relation in hanging):
        model._default_manager.filter(pk__in=ids).delete()  # noqa: SLF001 - documented
        return
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        key = model._meta.pk  # noqa: SLF001 - documented
        values = [key.get_db_prep_value(pk, connection) for pk in ids]
        marks = ", ".join(["%s"] * len(values))
        for relation in hanging:
            if relation.related_model is not TaskStatus:  # a task that has none left
                table = quoted(relation.related_model._meta.db_table)  # noqa: SLF001 - documented
                column = relation.field.column
                cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", values)
        table = quoted(model._meta.db_table)  # noqa: SLF001 - documented
        cursor.execute(f"DELETE FROM {table} WHERE id IN ({marks})", values)
