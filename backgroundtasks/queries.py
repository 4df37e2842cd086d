"""
The only way that interfaces read: always scoped to what the actor may see.

A run that is foreign or invisible is answered like an unknown one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Count, Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from backgroundtasks import clock, conf, exceptions
from backgroundtasks.handlers import Actor, permissions, registry
from backgroundtasks.handlers.actor import actor_of as actor_of  # noqa: PLC0414 - part of the surface
from backgroundtasks.models import (
    Account,
    Attempt,
    Edition,
    Labelled,
    Message,
    Queue,
    Schedule,
    Task,
    TaskStatus,
    Worker,
)
from backgroundtasks.states import FINAL, HELD, STANDING, State, sql_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.contrib.auth.models import User

    from backgroundtasks.handlers import TaskHandler


def visible_runs(actor: Actor) -> QuerySet[TaskStatus]:
    """
    Return the runs of the actor's account that their handlers let the actor see.

    Handlers hide nothing from an operator of the installation.
    """
    return TaskStatus.objects.filter(_visibility(actor), account_id=actor.account.pk)


def visible_in_states(actor: Actor, states: Collection[State]) -> QuerySet[TaskStatus]:
    """Return the visible runs in one of these states, by an index where one knows them all."""
    known = _indexed(states)
    if known is None:
        return visible_runs(actor).filter(state__in=states)
    # SQLite looks into its index by the first of the two, and needs the second to choose it: one
    # state, before the list, gives the runs in their order without sorting.
    in_states = Q(state__in=states) if len(states) > 1 else Q(state=next(iter(states)))
    runs = TaskStatus.objects.filter(in_states, known, _visibility(actor))
    if FINAL.issuperset(states):
        return runs.filter(account_id=actor.account.pk)
    # Unfinished runs are few: their own index, not the one of the account.
    return runs.filter(_in_account_but_not_by_index(actor))


def visible_runs_of_task(actor: Actor, task_id: UUID) -> QuerySet[TaskStatus]:
    """Return the visible runs of a task."""
    runs = TaskStatus.objects.filter(_visibility(actor), task_id=task_id)
    return runs.filter(_in_account_but_not_by_index(actor))


def visible_children(actor: Actor, parent_id: UUID) -> QuerySet[TaskStatus]:
    """Return the visible runs that a run's handler started."""
    runs = TaskStatus.objects.filter(_visibility(actor), parent_id=parent_id)
    return runs.filter(_in_account_but_not_by_index(actor))


def first_children(actor: Actor, run_id: UUID, most: int) -> list[TaskStatus]:
    """Return the first `most` of a run's visible children, in the order they were started."""
    return list(visible_children(actor, run_id).order_by("position")[:most])


def labelled(name: str, value: str | None = None) -> Q:
    """Return a condition of runs: their task has this label, and of this value if one is given."""
    return Q(Labelled("task__labels", name, value))


def _in_account_but_not_by_index(actor: Actor) -> Q | RawSQL:
    """
    Return the condition of the actor's account, so that another index is taken.

    Left to itself SQLite, which keeps no statistics here, would walk all of the account.
    """
    if connection.vendor != "sqlite":
        return Q(account_id=actor.account.pk)
    column = f"+{TaskStatus._meta.db_table}.account_id"  # noqa: SLF001 - documented API
    return RawSQL(f"{column} = %s", (actor.account.pk.hex,), output_field=BooleanField())  # noqa: S611


def among_newest(actor: Actor, count: int, *, states: Collection[State] = ()) -> Q:
    """
    Return a condition that holds for the account's newest `count` runs only.

    For looks that no index answers; where an index finds all runs in `states`, they are few
    enough, and nothing is left out.
    """
    if _indexed(states) is not None:
        return Q()
    return Q(position__gte=oldest_of_newest(actor, count))


def oldest_of_newest(actor: Actor, count: int) -> int:
    """Return the place of the oldest of the account's newest `count` runs; 0 if it has fewer."""
    places = TaskStatus.objects.filter(account_id=actor.account.pk).order_by("-position")
    return places.values_list("position", flat=True)[count - 1 : count].first() or 0


def _visibility(actor: Actor) -> Q:
    """Return what handlers let the actor see of the account's runs."""
    if actor.is_operator:
        return Q()
    open_types: list[str] = []
    some = Q()
    for handler in registry.all_handlers():
        rule = handler.visible_to(actor)
        if rule:
            some |= Q(task_type=handler.task_type) & rule
        else:
            open_types.append(handler.task_type)
    if actor.role == "admin" and not some:
        return Q()
    # A type whose handler is gone could have been restricted: only administrators see it.
    if actor.role == "admin":
        restricted = [h.task_type for h in registry.all_handlers() if h.task_type not in open_types]
        return ~Q(task_type__in=restricted) | some
    return Q(task_type__in=open_types) | some


#: Of the runs of a task that has no schedule: the one that it was submitted with.
_FIRST: Final = Q(
    runs__retry_of__isnull=True, runs__scheduled_for__isnull=True, schedule__isnull=True
)


def visible_tasks(actor: Actor, *, task_type: str | None = None) -> QuerySet[Task]:
    """
    Return the tasks of the account whose runs the actor may see, each with its `place`.

    Scheduled ones are left out: see `visible_schedules`.

    Tasks have no order of their own that an index knows; their first runs have.
    """
    first = Q(runs__account_id=actor.account.pk) & _FIRST
    if task_type is not None:
        first &= Q(runs__task_type=task_type)
    return _visible(actor, Task.objects.filter(first))


def find_tasks(actor: Actor, task_or_run: UUID) -> QuerySet[Task]:
    """Return the visible task of this id, or of the run of this id."""
    of_run = TaskStatus.objects.filter(pk=task_or_run).values_list("task_id", flat=True).first()
    tasks = Task.objects.filter(pk=of_run or task_or_run, account_id=actor.account.pk)
    return _visible(actor, tasks.filter(_FIRST))


def _visible(actor: Actor, tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Return the visible ones of tasks that are joined with their first runs."""
    rule = _visibility(actor)
    if rule:
        # Asked for each task of the page, by the index of tasks' runs; a list of all visible
        # runs would be as long as the account.
        tasks = tasks.filter(Exists(TaskStatus.objects.filter(rule, task_id=OuterRef("pk"))))
    return tasks.annotate(place=F("runs__position"))


def get_run(actor: Actor, run_id: UUID) -> TaskStatus:
    """
    Return a run with its task.

    Raises:
        RunNotFound: unknown, flushed or invisible.
    """
    run = visible_runs(actor).select_related("task", "owner").filter(pk=run_id).first()
    if run is None:
        raise exceptions.RunNotFound(run_id)
    return run


def get_run_locked(actor: Actor, run_id: UUID) -> TaskStatus:
    """
    Return a run with its task, which nobody else changes until the current transaction ends.

    On SQLite the transaction itself (IMMEDIATE) keeps all others from writing.

    Raises:
        RunNotFound: unknown, flushed or invisible.
    """
    runs = visible_runs(actor).select_for_update(no_key=True, of=("self",))
    run = runs.select_related("task", "owner").filter(pk=run_id).first()
    if run is None:
        raise exceptions.RunNotFound(run_id)
    return run


def visible_schedules(actor: Actor) -> QuerySet[Schedule]:
    """
    Return the account's schedules that the actor may see, with their tasks, oldest first.

    Of a type whose runs a handler hides, these are one's own, and those with a visible run.
    """
    schedules = Schedule.objects.filter(account_id=actor.account.pk)
    schedules = schedules.select_related("task__owner")
    rule = _visibility(actor)
    if rule:
        runs = TaskStatus.objects.filter(rule, task_id=OuterRef("pk"))
        open_types = [h.task_type for h in registry.all_handlers() if not h.visible_to(actor)]
        schedules = schedules.filter(
            Q(task__task_type__in=open_types) | Q(task__owner=actor.user) | Exists(runs)
        )
    return schedules.order_by("created_at", "pk")


def get_schedule(actor: Actor, task_id: UUID) -> Schedule:
    """
    Return the schedule of a task.

    Raises:
        ScheduleNotFound: unknown, deleted or invisible.
    """
    schedule = visible_schedules(actor).filter(pk=task_id).first()
    if schedule is None:
        raise exceptions.ScheduleNotFound(task_id)
    return schedule


def is_scheduled(task_id: UUID) -> bool:
    """Return whether a task has a schedule, whatever its state."""
    return Schedule.objects.filter(pk=task_id).exists()


def scheduled_values(task_type: str, parameter: str) -> set[Any]:
    """Return what a parameter is in the tasks of a type that have a schedule, of all accounts."""
    schedules = Schedule.objects.filter(task__task_type=task_type)
    values = schedules.values_list(f"task__parameters__{parameter}", flat=True)
    return {value for value in values if value is not None}


def editions_of(schedule: Schedule) -> list[tuple[datetime, Schedule]]:
    """
    Return what a visible schedule was before each edit: `(until, schedule)`, oldest first.

    They are not to be saved: secrets are masked.
    """
    found = Edition.objects.filter(task_id=schedule.pk).order_by("until")
    return [(edition.until, _as_it_was(schedule, edition.values)) for edition in found]


def _as_it_was(schedule: Schedule, values: dict[str, Any]) -> Schedule:
    was, was.task = copy(schedule), copy(schedule.task)
    was.task.title, was.task.parameters = values["title"], values["parameters"]
    for name in ("expression", "max_runs", "generation"):
        setattr(was, name, values[name])
    for name in ("starts_at", "ends_at", "updated_at"):
        at = values[name]
        setattr(was, name, at and datetime.fromisoformat(at))
    return was


def unfinished(column: str) -> Exists:
    """Return the condition that the run whose id stands in a column is there and has not ended."""
    runs = TaskStatus.objects.filter(pk=OuterRef(column))
    return Exists(runs.exclude(state__in=FINAL))


def list_messages(actor: Actor, run_id: UUID, *, after: int = 0) -> QuerySet[Message]:
    """
    Return what a run said, oldest first, from behind the message `after`.

    Raises:
        RunNotFound: unknown, flushed or invisible.
    """
    if not visible_runs(actor).filter(pk=run_id).exists():
        raise exceptions.RunNotFound(run_id)
    return Message.objects.filter(run_id=run_id, pk__gt=after).order_by("pk")


#: Of each run the newest ones, found at the end of its part of an index.
#: CROSS: once SQLite has statistics it would begin with all messages, and look at each for each id.
_NEWEST_MESSAGES: Final = {
    "postgresql": """
        SELECT m.run_id, m.level, m.key, m.text, m.parameters
        FROM unnest(%s::uuid[]) AS r(id) CROSS JOIN LATERAL (
            SELECT * FROM {messages} WHERE run_id = r.id ORDER BY id DESC LIMIT %s
        ) AS m ORDER BY m.id""",
    "sqlite": """
        SELECT m.run_id, m.level, m.key, m.text, m.parameters
        FROM json_each(%s) AS r CROSS JOIN {messages} AS m ON m.id IN (
            SELECT id FROM {messages} WHERE run_id = r.value ORDER BY id DESC LIMIT %s
        ) ORDER BY m.id""",
}


def newest_messages(
    run_ids: Sequence[UUID | str], *, most: int
) -> list[tuple[UUID | str, str, str, str, str]]:
    """
    Return what runs said, oldest first: `(run, level, key, text, parameters as JSON)`.

    A run that says a million things costs no more than one that says `most`. Queries: one.

    Args:
        run_ids: Of runs that were found visible; as UUIDs, or as the driver gives them.
        most: Messages of each run, the newest.

    Returns:
        With the ids as the driver gives them: UUIDs on PostgreSQL, 32 digits on SQLite.
    """
    ids: Any = [*run_ids]
    if connection.vendor == "sqlite":
        ids = json.dumps([one.hex if isinstance(one, UUID) else one for one in ids])
    table = connection.ops.quote_name(Message._meta.db_table)  # noqa: SLF001 - documented API
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_MESSAGES[connection.vendor].format(messages=table), [ids, most])
        found: list[tuple[UUID | str, str, str, str, str]] = cursor.fetchall()
    return found


def list_attempts(run: TaskStatus) -> list[Attempt]:
    """Return the run's attempts, oldest first; the one that is under way or ended it too."""
    earlier = list(Attempt.objects.filter(run=run).order_by("number"))
    if run.started_at is not None and run.attempt > (earlier[-1].number if earlier else 0):
        earlier.append(
            Attempt(  # type: ignore[misc]  # has no end while it is under way; never saved
                run=run,
                number=run.attempt,
                worker_id=run.worker_id,
                started_at=run.started_at,
                finished_at=run.finished_at,
                outcome=run.state,
                error=run.error,
            )
        )
    return earlier


def worker_names(ids: Collection[UUID | None]) -> dict[UUID | None, str]:
    """Return `host:pid` of these workers; the id of one that is forgotten (a day after its end)."""
    found = Worker.objects.in_bulk([pk for pk in ids if pk is not None])
    return {pk: str(found.get(pk, pk)) for pk in ids if pk is not None}


def retries_of(run: TaskStatus) -> list[UUID]:
    """Return the runs that people started by retrying this one, oldest first."""
    # The task's runs are few and indexed; `retry_of` is not.
    again = TaskStatus.objects.filter(task_id=run.task_id, retry_of_id=run.pk)
    return list(again.order_by("position").values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class TaskType:
    """A task type, as the catalogue shows it to one actor."""

    handler: type[TaskHandler]
    #: What the actor lacks to start it, for people; None: may start it.
    lack: str | None


def list_task_types(actor: Actor) -> list[TaskType]:
    """Return every task type with whether the actor may start it."""
    return [
        TaskType(handler, permissions.lack(handler.permissions, actor))
        for handler in registry.all_handlers()
    ]


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """How a queue is doing."""

    name: str
    paused: bool
    queued: int
    #: How long the oldest run that could be claimed has waited; None without one.
    oldest: timedelta | None


def queue_health() -> list[QueueHealth]:
    """Return each queue's backlog and the age of its oldest runnable run."""
    paused = dict(Queue.objects.values_list("name", "paused_at"))
    begun = RawSQL(f"state IN {sql_list(HELD | STANDING)}", (), output_field=BooleanField())  # noqa: S611 - constants
    holders = TaskStatus.objects.filter(begun, exclusive_key=OuterRef("exclusive_key"))
    found = {
        row["queue"]: row
        for row in TaskStatus.objects.filter(_indexed([State.QUEUED]))
        .values("queue")
        .annotate(queued=Count("pk"), since=Min("run_after", filter=~Exists(holders)))
    }
    names = {handler.queue for handler in registry.all_handlers()} | {"default", *paused, *found}
    now = clock.now()
    return [
        QueueHealth(
            name,
            paused=paused.get(name) is not None,
            queued=found[name]["queued"] if name in found else 0,
            oldest=now - found[name]["since"] if name in found and found[name]["since"] else None,
        )
        for name in sorted(names)
    ]


def held_runs() -> list[TaskStatus]:
    """Return the runs that workers hold."""
    return list(TaskStatus.objects.filter(_indexed(HELD)).order_by("started_at")[:1000])


def live_workers() -> QuerySet[Worker]:
    """Return the workers that have beaten within a lease."""
    return Worker.objects.filter(stopped_at__isnull=True, beat_at__gt=Now() - conf.LEASE)


def runs_by_state_and_type() -> list[tuple[str, str, int]]:
    """Return `(state, task type, count)` of all unfinished runs."""
    unfinished = [state for state in State if state not in FINAL]
    return [
        (state, task_type, count)
        for group in _by_index(unfinished)
        for state, task_type, count in TaskStatus.objects.filter(_indexed(group))
        .values_list("state", "task_type")
        .annotate(Count("pk"))
    ]


def recent_runs_by_state(window: timedelta = timedelta(minutes=1)) -> list[tuple[str, int]]:
    """Return `(state, count)` of the runs that were queued within the window."""
    recent = TaskStatus.objects.filter(
        account__in=Account.objects.all(), position__gte=clock.position_at(clock.now() - window)
    )
    return list(recent.values_list("state").annotate(Count("pk")))


def recent_runs_of(accounts: Collection[Account], window: timedelta, *, most: int) -> Counter[str]:
    """Return state to count of the runs queued within the window; looks at `most` at most."""
    recent = TaskStatus.objects.filter(
        account__in=accounts, position__gte=clock.position_at(clock.now() - window)
    )
    return Counter(recent.order_by().values_list("state", flat=True)[:most].iterator())


def count_paused(accounts: Collection[Account]) -> int:
    """Return how many runs stand paused."""
    paused = TaskStatus.objects.filter(_indexed(STANDING), state=State.PAUSED)
    return paused.filter(account__in=accounts).count()


def recent_problems(
    window: timedelta = timedelta(minutes=10), queued_within: timedelta = timedelta(days=1)
) -> list[tuple[str, str, int]]:
    """
    Return `(state, task type, count)` of runs that ended otherwise than well within the window.

    The index of such runs has their place in the queue, not their end: those that were queued
    before `queued_within` are not looked at.
    """
    bad = [state for state in FINAL if state != State.SUCCEEDED]
    ended = TaskStatus.objects.filter(
        _indexed(bad),
        account__in=Account.objects.all(),
        state__in=bad,
        position__gte=clock.position_at(clock.now() - queued_within),
        finished_at__gt=clock.now() - window,
    )
    return list(ended.values_list("state", "task_type").annotate(Count("pk")))


def last_beat() -> datetime | None:
    """Return when any worker last said that it lives."""
    worker = Worker.objects.order_by("-beat_at").first()
    return worker.beat_at if worker else None


_RUN_ID: Final = re.compile(
    r"(?<![0-9a-f])([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", re.IGNORECASE
)


def run_id_of(spelling: str) -> UUID:
    """
    Return the id of a run in any spelling: dashed, 32 hex digits, with a dialect's prefix.

    Raises:
        RunNotFound: it is none of these.
    """
    found = _RUN_ID.search(spelling.strip())
    if found is None:
        raise exceptions.RunNotFound(spelling)
    return UUID(found[1])


def accounts_of(user: User) -> QuerySet[Account]:
    """Return the accounts that a user may look into, by name: their own; an operator all."""
    accounts = Account.objects.order_by("is_system", "name")
    if user.is_active and user.is_superuser:
        return accounts
    return accounts.filter(memberships__user=user)


def system_account() -> Account:
    """
    Return the reserved account of installation-wide work.

    Raises:
        AccountRefused: nobody has made it yet: `bootstrap` and the worker command do.
    """
    account = Account.objects.filter(is_system=True).first()
    if account is None:
        raise exceptions.AccountRefused("system")
    return account


def operator_in(user: User, account_id: UUID, *, origin: str) -> Actor:
    """
    Return the user as an actor in an account; superusers may be strangers there.

    Raises:
        AccountRefused: there is no such account, or the user may not look into it.
    """
    account = accounts_of(user).filter(pk=account_id).first()
    if account is None:
        raise exceptions.AccountRefused(user.get_username())
    membership = account.memberships.filter(user=user).first()
    if membership is not None:
        return Actor(user, account, membership.role, origin)
    return Actor(user, account, "admin" if account.is_system else "", origin)


def operator_on(user: User, run_id: UUID, *, origin: str) -> Actor:
    """
    Return the user as an actor in the account of a run.

    Raises:
        RunNotFound: unknown, flushed, or of an account that the user may not look into.
    """
    account_id = TaskStatus.objects.filter(pk=run_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise exceptions.RunNotFound(run_id)
    try:
        return operator_in(user, account_id, origin=origin)
    except exceptions.AccountRefused:
        raise exceptions.RunNotFound(run_id) from None


def operator_on_schedule(user: User, task_id: UUID, *, origin: str) -> Actor:
    """
    Return the user as an actor in the account of a schedule.

    Raises:
        ScheduleNotFound: unknown, deleted, or of an account that the user may not look into.
    """
    account_id = Schedule.objects.filter(pk=task_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise exceptions.ScheduleNotFound(task_id)
    try:
        return operator_in(user, account_id, origin=origin)
    except exceptions.AccountRefused:
        raise exceptions.ScheduleNotFound(task_id) from None


def schedules_of_all(
    user: User, *, account_id: UUID | None = None, states: Collection[str] = ()
) -> QuerySet[Schedule]:
    """Return the schedules of all accounts, or of one, for an operator, oldest first."""
    accounts = accounts_of(user)
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    found = Schedule.objects.filter(account__in=accounts.order_by()).select_related("task__owner")
    if states:
        found = found.filter(state__in=states)
    return found.order_by("created_at", "pk")


def newest_runs(
    user: User,
    *,
    limit: int,
    account_id: UUID | None = None,
    states: Collection[State] = (),
    task_type: str | None = None,
    where: Q | None = None,
) -> list[TaskStatus]:
    """Return the newest runs of all accounts, or of one, for an operator; newest first."""
    accounts = accounts_of(user)
    if account_id is not None:
        accounts = accounts.filter(pk=account_id)
    found: list[TaskStatus] = []
    # One query an account: each is a walk along its index, which one for all would not be.
    for account in accounts:
        actor = Actor(user, account, "")
        groups = [visible_in_states(actor, group) for group in _by_index(states)]
        wanted = where or Q()
        if task_type is not None:
            wanted &= Q(task_type=task_type)
        for group in groups or [visible_runs(actor)]:
            runs = group.filter(wanted)
            found += runs.select_related("task", "owner").order_by("-position")[:limit]
    return sorted(found, key=lambda run: -run.position)[:limit]


#: The states that one index knows, and its condition word by word: SQLite takes a partial
#: index only for a condition that says the same, and never for one with parameters.
_INDEXED: Final = (
    (frozenset({State.QUEUED}), "state = 'queued'"),
    (frozenset({State.SCHEDULED}), "state = 'scheduled'"),
    (HELD, f"state IN {sql_list(HELD)}"),
    (STANDING, f"state IN {sql_list(STANDING)}"),
    (FINAL, f"state IN {sql_list(FINAL)}"),
)


def _indexed(states: Collection[State]) -> RawSQL | None:
    """Return the condition of the index that knows all of these states, or None."""
    for known, condition in _INDEXED:
        if states and known.issuperset(states):
            return RawSQL(condition, (), output_field=BooleanField())  # noqa: S611 - constants
    return None


def _by_index(states: Collection[State]) -> list[set[State]]:
    """Return the states in groups of which each is known to one index, as far as possible."""
    groups = [set(states) & known for known, _ in _INDEXED]
    groups.append(set(states).difference(*groups))
    return [group for group in groups if group]
