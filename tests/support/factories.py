"""Rows for tests, consistent with their state."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.models import User
from factory.django import DjangoModelFactory

from backgroundtasks import clock, queries
from backgroundtasks.handlers import Actor
from backgroundtasks.models import Account, Membership, Task, TaskStatus
from backgroundtasks.states import FINAL, GOOD, HELD, STANDING, State


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")


class AccountFactory(DjangoModelFactory[Account]):
    class Meta:
        model = Account

    name = factory.Sequence(lambda n: f"Account {n}")


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    account = factory.SubFactory(AccountFactory)
    user = factory.SubFactory(UserFactory)
    role = "member"
    is_default = True


class TaskFactory(DjangoModelFactory[Task]):
    class Meta:
        model = Task

    account = factory.SubFactory(AccountFactory)
    task_type = "Work"


def actor(role: str = "member", account: Account | None = None, **user: Any) -> Actor:
    """Return a member of an account, in it."""
    membership = MembershipFactory.create(
        account=account or AccountFactory.create(), user=UserFactory.create(**user), role=role
    )
    return queries.actor_of(membership.user)


def run(state: State = State.QUEUED, *, owner: Actor | None = None, **values: Any) -> TaskStatus:
    """Return a stored run in `state`, with what that state implies."""
    owner = owner or actor()
    task_type = values.pop("task_type", "Work")
    parameters = values.pop("parameters", {})
    labels = values.pop("labels", {})
    task = values.pop("task", None) or TaskFactory.create(
        account=owner.account,
        owner=owner.user,
        task_type=task_type,
        parameters=parameters,
        labels=labels,
    )
    now = clock.now()
    implied: dict[str, Any] = {}
    if state in HELD:
        implied = {
            "attempt": 1,
            "token": 7,
            "started_at": now,
            "lease_until": now + timedelta(seconds=30),
            "worker_id": uuid.uuid4(),
        }
    if state in STANDING:
        implied = {"attempt": 1, "started_at": now}
    if state == State.CANCELLING:
        implied["cancel_requested_at"] = now
    if state in FINAL:
        implied = {"attempt": 1, "started_at": now, "finished_at": now}
        implied["expires_at"] = now + timedelta(days=90)
    if state in FINAL - GOOD:
        implied["error"] = f"It {state}."
    return TaskStatus.objects.create(
        task=task,
        account=owner.account,
        owner=owner.user,
        task_type=task_type,
        state=state,
        **{**implied, **values},
    )
