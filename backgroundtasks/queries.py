"""
The only way that interfaces read: always scoped to what the actor may see.

A run that is foreign or invisible is answered like an unknown one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now

from backgroundtasks import clock, conf, exceptions
from backgroundtasks.handlers import Actor, permissions, registry
from backgroundtasks.models import Account, Attempt, Membership, Message, Queue, TaskStatus, Worker
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import User

    from backgroundtasks.handlers import TaskHandler


def actor_of(user: User, account_id: UUID | None = None, *, origin: str = "code") -> Actor:
    """
    Return the user as an actor in an account: the named one, else the user's default.

    Raises:
        AccountRefused: the user belongs to no account, or not to this one.
    """
    memberships = Membership.objects.filter(user=user).select_related("account")
    if account_id is not None:
        membership = memberships.filter(account_id=account_id).first()
    else:
        membership = memberships.order_by("-is_default", "pk").first()
    if membership is not None:
        return Actor(user, membership.account, membership.role, origin)
    if account_id is not None and user.is_superuser:
        account = Account.objects.filter(pk=account_id, is_system=True).first()
        if account is not None:
            return Actor(user, account, "admin", origin)
    raise exceptions.AccountRefused(user.get_username())


def visible_runs(actor: Actor) -> QuerySet[TaskStatus]:
    """Return the runs of the actor's account that their handlers let the actor see."""
    runs = TaskStatus.objects.filter(account_id=actor.account.pk)
    open_types: list[str] = []
    some = Q()
    for handler in registry.all_handlers():
        rule = handler.visible_to(actor)
        if rule:
            some |= Q(task_type=handler.task_type) & rule
        else:
            open_types.append(handler.task_type)
    if actor.role == "admin" and not some:
        return runs
    # A type whose handler is gone could have been restricted: only administrators see it.
    if actor.role == "admin":
        restricted = [h.task_type for h in registry.all_handlers() if h.task_type not in open_types]
        return runs.filter(~Q(task_type__in=restricted) | some)
    return runs.filter(Q(task_type__in=open_types) | some)


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


def list_messages(actor: Actor, run_id: UUID, *, after: int = 0) -> QuerySet[Message]:
    """
    Return what a run said, oldest first, from behind the message `after`.

    Raises:
        RunNotFound: unknown, flushed or invisible.
    """
    if not visible_runs(actor).filter(pk=run_id).exists():
        raise exceptions.RunNotFound(run_id)
    return Message.objects.filter(run_id=run_id, pk__gt=after).order_by("pk")


def list_attempts(run: TaskStatus) -> list[Attempt]:
    """Return the run's attempts, oldest first; the one that is under way or ended it too."""
    earlier = list(Attempt.objects.filter(run=run).order_by("number"))
    if run.started_at is not None and run.attempt > (earlier[-1].number if earlier else 0):
        earlier.append(
            Attempt(
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
    found = {
        row["queue"]: row
        for row in TaskStatus.objects.filter(state=State.QUEUED)
        .values("queue")
        .annotate(queued=Count("pk"), since=Min("run_after"))
    }
    names = {handler.queue for handler in registry.all_handlers()} | {"default", *paused, *found}
    now = clock.now()
    return [
        QueueHealth(
            name,
            paused=paused.get(name) is not None,
            queued=found[name]["queued"] if name in found else 0,
            oldest=now - found[name]["since"] if name in found else None,
        )
        for name in sorted(names)
    ]


def live_workers() -> QuerySet[Worker]:
    """Return the workers that have beaten within a lease."""
    return Worker.objects.filter(stopped_at__isnull=True, beat_at__gt=Now() - conf.LEASE)


def runs_by_state_and_type() -> list[tuple[str, str, int]]:
    """Return `(state, task type, count)` of all unfinished runs."""
    counted = (
        TaskStatus.objects.exclude(state__in=FINAL)
        .values_list("state", "task_type")
        .annotate(Count("pk"))
    )
    return [(state, task_type, count) for state, task_type, count in counted]


def last_beat() -> datetime | None:
    """Return when any worker last said that it lives."""
    worker = Worker.objects.order_by("-beat_at").first()
    return worker.beat_at if worker else None
