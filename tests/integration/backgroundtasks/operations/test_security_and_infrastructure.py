"""The permission to back up and check the installation: what it opens, until it is taken away."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import Actor
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import GOOD, State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)


class _NeverStopped:
    age: float | None = None


@pytest.fixture
def guard() -> Actor:
    """Somebody with the permission, in the system account."""
    operations.make_system_account()
    user: Any = factories.UserFactory.create()
    user.user_permissions.add(Permission.objects.get(codename="security_and_infrastructure"))
    return queries.actor_of(user, queries.system_account().pk)


def drained() -> TaskStatus:
    while Drainer(["default"], stop_flag=_NeverStopped()).drain():  # type: ignore[arg-type]
        pass
    return TaskStatus.objects.get()


def test_it_starts_checks_and_gives_no_role(guard: Actor) -> None:
    assert guard.role == ""
    operations.submit(guard, "CreateHealthCheckReports", {})

    assert State(drained().state) in GOOD

    with pytest.raises(exceptions.PermissionRefused):
        operations.submit(guard, "CleanGPJobs", {})


def test_it_is_asked_again_when_a_run_begins(guard: Actor) -> None:
    operations.submit(guard, "CreateHealthCheckReports", {})
    guard.user.user_permissions.clear()

    run = drained()

    assert run.state == State.FAILED
    assert "not a member" in run.error


def test_nobody_else_gets_into_the_system_account() -> None:
    operations.make_system_account()

    with pytest.raises(exceptions.AccountRefused):
        queries.actor_of(factories.actor("admin").user, queries.system_account().pk)
