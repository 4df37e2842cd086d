"""
Firing what is due.

A schedule is moved on and its run is made in one transaction that holds the schedule's row, and
the run's due time is unique for its task: any number of keepers may do this at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from backgroundtasks import clock, exceptions
from backgroundtasks.handlers import registry
from backgroundtasks.lifecycle import creation, exclusive
from backgroundtasks.models import Schedule, ScheduleState, TaskStatus
from backgroundtasks.models.schedule import Overlap
from backgroundtasks.scheduling.times import turn
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

#: Schedules of one transaction: few enough for SQLite's one writer.
_BATCH: Final = 50
_ACTIVE: Final = RawSQL("backgroundtasks_schedule.state = 'active'", (), BooleanField())
_SKIPPED: Final = "Skipped: the run before had not finished."
_MOVED: Final = ("state", "problem", "next_at", "last_at", "last_run_id", "runs_made", "generation")


def next_due() -> float | None:
    """Return how many seconds from now the next schedule is due, 0 or less if one is; or None."""
    upcoming = Schedule.objects.filter(_ACTIVE, next_at__isnull=False).annotate(now=Now())
    found = upcoming.order_by("next_at").values_list("next_at", "now").first()
    if found is None or found[0] is None:
        return None
    return (found[0] - found[1]).total_seconds()


def fire_due() -> int:
    """
    Fire a batch of due schedules; return how many were moved on.

    One that cannot be fired is marked broken, with the reason, and harms no other.
    """
    ids = list(_due().values_list("pk", flat=True)[:_BATCH])
    if not ids:
        return 0
    try:
        return _fire(ids)
    except (DataError, IntegrityError):
        # One of them: each has its own transaction now.
        return sum(_fire_alone(pk) for pk in ids)


def _due() -> QuerySet[Schedule]:
    return Schedule.objects.filter(_ACTIVE, next_at__lte=Now()).order_by("next_at")


def _fire_alone(pk: UUID) -> int:
    try:
        return _fire([pk])
    except (DataError, IntegrityError) as error:
        reason = str(error).partition("\n")[0]
        _say_broken(pk, reason)
        return Schedule.objects.filter(pk=pk, state=ScheduleState.ACTIVE).update(
            state=ScheduleState.BROKEN, problem=reason, next_at=None
        )


def _fire(ids: Collection[UUID]) -> int:
    with transaction.atomic():
        rows = _due().filter(pk__in=ids).select_related("task").annotate(now=Now())
        # Others are with another keeper, or have been moved on by it.
        due = list(rows.select_for_update(skip_locked=True, of=("self",)))
        unfinished = _unfinished([schedule.last_run_id for schedule in due])
        runs = []
        for schedule in due:
            run = _take_turn(schedule, unfinished)
            if run is not None:
                runs.append(run)
        creation.create(_new(runs))
        _store(due)
    return len(due)


def _store(moved: Collection[Schedule]) -> None:
    """
    Store what moving schedules on has changed: one prepared statement, sent for each.

    `bulk_update` writes a condition for each column of each row, which takes longer than all else.
    """
    meta = Schedule._meta  # noqa: SLF001 - documented
    fields: list[Any] = [meta.get_field(name) for name in (*_MOVED, meta.pk.name)]
    columns = [field.column for field in fields]
    changes = ", ".join(f"{column} = %s" for column in columns[:-1])
    sql = f"UPDATE {meta.db_table} SET {changes} WHERE {columns[-1]} = %s"  # noqa: S608 - our own names
    with connection.cursor() as cursor:
        cursor.executemany(
            sql,
            [
                [
                    field.get_db_prep_save(getattr(schedule, field.attname), connection)
                    for field in fields
                ]
                for schedule in moved
            ],
        )


def _take_turn(schedule: Schedule, unfinished: frozenset[UUID]) -> TaskStatus | None:
    """Move a schedule on, in memory; return the run that it makes."""
    now: datetime = schedule.now  # type: ignore[attr-defined]  # annotated
    try:
        its = turn(schedule, now)
        run = None if its.at is None else _run(schedule, its.at, unfinished)
    except Exception as error:  # noqa: BLE001 - whatever it is, only this schedule is broken
        schedule.state, schedule.next_at = ScheduleState.BROKEN, None
        schedule.problem = f"{type(error).__name__}: {error}" if _is_bug(error) else str(error)
        _say_broken(schedule.pk, schedule.problem)
        return None
    if its.missed:
        logger.warning(
            "schedule.missed task_id=%s due=%s policy=%s; nobody could fire it in time",
            schedule.pk,
            schedule.next_at,
            schedule.missed,
        )
    schedule.next_at = its.next_at
    if its.next_at is None:
        schedule.state = ScheduleState.COMPLETED
        logger.info("schedule.completed task_id=%s", schedule.pk)
    if run is not None:
        schedule.generation += 1
        schedule.last_at = its.at
        if run.state != State.SKIPPED:
            schedule.runs_made += 1
            schedule.last_run_id = run.pk
    return run


def _run(schedule: Schedule, at: datetime, unfinished: frozenset[UUID]) -> TaskStatus:
    """Return the run of a due time, not stored yet."""
    task = schedule.task
    handler = registry.get(task.task_type)
    parameters = handler.loaded(task.parameters)
    key = handler.exclusive_key(parameters)
    scoped = None if key is None else exclusive.scoped_key(task.account_id, handler.task_type, key)
    overlaps = schedule.overlap == Overlap.SKIP and schedule.last_run_id in unfinished
    if handler.refuse_while_unfinished and scoped is not None:
        overlaps = overlaps or exclusive.is_taken(scoped)
    now = clock.now()
    run = TaskStatus(
        task=task,
        account_id=task.account_id,
        owner_id=task.owner_id,
        task_type=handler.task_type,
        origin=task.origin,
        queue=handler.queue,
        priority=handler.priority,
        position=clock.position(),
        run_after=now,
        queued_at=now,
        modified_at=now,
        batchable=handler.short and scoped is None,
        exclusive_key=scoped,
        scheduled_for=at,
        resource_id=task.resource["id"] if task.resource else None,
    )
    if overlaps:
        run.state, run.error, run.finished_at = State.SKIPPED, _SKIPPED, now
        run.expires_at = now + handler.retention_of()
    return run


def _unfinished(ids: Collection[UUID | None]) -> frozenset[UUID]:
    runs = TaskStatus.objects.filter(pk__in=[pk for pk in ids if pk is not None])
    return frozenset(runs.exclude(state__in=FINAL).values_list("pk", flat=True))


def _new(runs: list[TaskStatus]) -> list[TaskStatus]:
    """Leave out due times that have their run: the clock went back."""
    tasks = [run.task_id for run in runs]
    made = set(
        TaskStatus.objects.filter(
            task_id__in=tasks, scheduled_for__in=[run.scheduled_for for run in runs]
        ).values_list("task_id", "scheduled_for")
    )
    return [run for run in runs if (run.task_id, run.scheduled_for) not in made]


def _is_bug(error: Exception) -> bool:
    return not isinstance(error, exceptions.TaskCenterError | ValueError)


def _say_broken(pk: UUID, reason: str) -> None:
    logger.error(
        "schedule.broken task_id=%s error=%s; it fires no more until it is edited or resumed",
        pk,
        reason,
    )
