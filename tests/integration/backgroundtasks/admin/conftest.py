"""Operators who are signed in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from backgroundtasks.handlers import Actor
from backgroundtasks.queries import actor_of
from tests.support import factories

RUNS = "/admin/backgroundtasks/taskstatus/"
TASKS = "/admin/backgroundtasks/task/"


@pytest.fixture
def root(db: None) -> Actor:
    """A superuser who is an administrator of an account."""
    return factories.actor("admin", username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def admin(client: Client, root: Actor) -> Client:
    """The superuser's browser."""
    client.force_login(root.user)
    return client


@pytest.fixture
def staff(db: None) -> Actor:
    """A member of an account who may look into the admin, and is no superuser."""
    user = factories.UserFactory.create(username="sam", is_staff=True)
    factories.MembershipFactory.create(user=user)
    names = ["view_taskstatus", "view_task", "add_task", "view_queue", "view_accesstoken"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return actor_of(User.objects.get(pk=user.pk))


@pytest.fixture
def desk(staff: Actor) -> Client:
    """The staff member's browser."""
    client = Client()
    client.force_login(staff.user)
    return client
