"""`manage.py issue_token`: a token, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from backgroundtasks import clock
from backgroundtasks.models import AccessToken
from backgroundtasks.operations.issue_token import digest

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


def test_prints_the_token_and_nothing_else(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("issue_token", "alice")

    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
    stored = AccessToken.objects.get(digest=digest(printed.out.strip()))
    assert stored.user == alice
    assert timedelta(minutes=59) < stored.expires_at - clock.now() <= timedelta(minutes=60)


def test_gives_it_the_life_and_the_scopes_that_were_asked_for(alice: User) -> None:
    call_command("issue_token", "alice", "--minutes", "5", "--scope", "tasks:read", "tasks:write")

    stored = AccessToken.objects.get()
    assert stored.scope == "tasks:read tasks:write"
    assert timedelta(minutes=4) < stored.expires_at - clock.now() <= timedelta(minutes=5)


@pytest.mark.parametrize("minutes", ["0", "-1", "99999999999999"])
def test_refuses_a_life_that_is_none(alice: User, minutes: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("issue_token", "alice", f"--minutes={minutes}")

    assert str(refusal.value).startswith("--minutes must be from 1 to ")
    assert not AccessToken.objects.exists()


def test_refuses_an_unknown_user() -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("issue_token", "nobody")

    assert str(refusal.value) == "There is no user 'nobody'."


def test_refuses_a_user_who_may_not_log_in(alice: User) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(CommandError) as refusal:
        call_command("issue_token", "alice")

    assert str(refusal.value) == "The user 'alice' is not active, so the token would be refused."
