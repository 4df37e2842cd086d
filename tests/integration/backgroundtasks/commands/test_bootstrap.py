"""`manage.py bootstrap`: what a new installation needs, once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from backgroundtasks.models import Account, Membership, Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKCENTER_ADMIN_PASSWORD", raising=False)


def test_makes_the_accounts_and_the_administrator(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("bootstrap")

    admin = User.objects.get(username="admin")
    membership = Membership.objects.get(user=admin)
    assert admin.is_superuser
    assert admin.is_staff
    assert membership.account.name == "Default"
    assert membership.role == Role.ADMIN
    assert membership.is_default
    assert Account.objects.get(is_system=True).name == "System"
    password = capsys.readouterr().out.split()[5]
    assert admin.check_password(password)


def test_changes_nothing_the_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("bootstrap")
    before = User.objects.get(username="admin").password
    capsys.readouterr()

    call_command("bootstrap")

    assert capsys.readouterr().out == ""
    assert User.objects.get(username="admin").password == before
    assert Account.objects.count() == 2
    assert Membership.objects.count() == 1


def test_takes_the_password_from_the_environment_and_does_not_print_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKCENTER_ADMIN_PASSWORD", "horse staple")

    call_command("bootstrap")

    assert User.objects.get(username="admin").check_password("horse staple")
    assert capsys.readouterr().out == ""


def test_names_the_account_as_asked() -> None:
    call_command("bootstrap", account="Laboratory", user="root")

    assert Membership.objects.get(user__username="root").account.name == "Laboratory"


def test_leaves_an_account_of_the_name_system_alone() -> None:
    Account.objects.create(name="System")

    call_command("bootstrap")

    assert not Account.objects.get(name="System").is_system
    assert Account.objects.get(is_system=True).name == "System (reserved)"


def test_does_not_bring_back_a_user_whom_somebody_removed() -> None:
    call_command("bootstrap")
    account = Account.objects.get(name="Default")
    Membership.objects.all().delete()
    Membership.objects.create(account=account, user=User.objects.create_user("alice"))

    call_command("bootstrap")

    assert [m.user.username for m in Membership.objects.all()] == ["alice"]
