"""A superuser to act as, and commands that return what they print."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from tests.support import factories

Shell = Callable[..., str]


@pytest.fixture
def root() -> User:
    """The superuser in whose name a shell acts; a member of no account."""
    return factories.UserFactory.create(username="root", is_superuser=True, is_staff=True)


@pytest.fixture
def shell(root: User, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run a command and return what it wrote to standard output."""

    def run(*words: object) -> str:
        capsys.readouterr()
        call_command(*map(str, words))
        return capsys.readouterr().out

    return run
