"""Somebody who calls, and what most of them call about."""

from __future__ import annotations

from typing import Any

import pytest

from backgroundtasks.models import Account
from tests.support.http import SHORTCUT, Caller
from tests.support.projects import ExternalSystemLinkFactory, ProjectFactory
from tickets.models import ExternalSystemLink, Project


@pytest.fixture
def caller() -> Caller:
    """A member."""
    return Caller()


@pytest.fixture
def account(caller: Caller) -> Account:
    """The caller's."""
    return caller.actor.account


@pytest.fixture
def project(account: Account) -> Project:
    """An empty project of the caller's account."""
    return ProjectFactory.create(account=account)


@pytest.fixture
def link(project: Project) -> ExternalSystemLink:
    """The project's built-in tracker, whose tickets are `TST-…`."""
    return ExternalSystemLinkFactory.create(project=project, tracker_project="TST", name="Bugs")


@pytest.fixture(params=["shortcut", "view"])
def through(request: pytest.FixtureRequest, settings: Any) -> str:
    """Every promise holds on both ways to the answer."""
    if request.param == "view":
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]
    return request.param
