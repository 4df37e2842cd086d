"""Who is let in, as whom, and at what price."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.core.cache import cache
from django.test import Client

from backgroundtasks import clock, operations
from backgroundtasks.api import authentication
from backgroundtasks.models import AccessToken, Account, Membership, TaskStatus
from tests.support import factories
from tests.support.http import Caller, basic, token

pytestmark = pytest.mark.django_db

PATH = "/api/backgroundtasks"


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    authentication.forget()
    authentication._proofs.clear()
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def kim() -> Any:
    return factories.actor(username="kim")


def with_password(actor: Any, password: str = "right") -> str:
    actor.user.set_password(password)
    actor.user.save()
    return basic(actor.user.username, password)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed."""
    seen: list[str] = []
    real = hashers.verify_password

    def verify(given: str, *rest: Any, **named: Any) -> Any:
        seen.append(given)
        return real(given, *rest, **named)

    monkeypatch.setattr(hashers, "verify_password", verify)
    return seen


def grown_old() -> None:
    """Let the time of everything that is believed run out."""
    for key, known in authentication._known.items():
        authentication._known[key] = authentication._Known(known.actor, 0.0, known.expires_at)


def status(authorization: str, **headers: str) -> int:
    client = Client(headers={"authorization": authorization})
    return int(client.get(PATH, headers=headers).status_code)


class TestRefused:
    @pytest.mark.spec("enterprise_tester", "Authentication", "wrong login")
    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Bearer",
            "Bearer wrong",
            "Bearer \u00e9",
            "Basic",
            "Basic !!!",
            "Basic a2lt",
            basic("kim", "wrong"),
            basic("nobody", "right"),
            basic("kim", "right\0"),
            "Digest kim",
            "kim",
        ],
    )
    @pytest.mark.parametrize("path", [PATH, "/api/", "/api/backgroundtask/work-1"])
    def test_what_is_no_good_credential_is_401_in_shape(
        self, kim: Any, header: str, path: str
    ) -> None:
        with_password(kim)

        answer = Client().get(path, headers={"authorization": header} if header else {})

        assert (answer.status_code, list(answer.json())) == (401, ["Message"])
        assert answer["WWW-Authenticate"] == 'Basic realm="Enterprise Tester"'

    def test_an_expired_token(self, kim: Any) -> None:
        assert status(f"Bearer {token(kim.user, life=timedelta(seconds=-1))}") == 401

    def test_a_token_that_expires_while_it_is_believed(
        self, kim: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        header = f"Bearer {token(kim.user, life=timedelta(seconds=60))}"
        assert status(header) == 200
        later = clock.now() + timedelta(seconds=61)

        monkeypatch.setattr(clock, "now", lambda: later)

        assert status(header) == 401

    def test_a_revoked_token(self, kim: Any) -> None:
        secret = token(kim.user)
        assert status(f"Bearer {secret}") == 200

        operations.revoke_token(secret)
        grown_old()

        assert status(f"Bearer {secret}") == 401

    def test_a_token_of_a_revoked_client(self, kim: Any) -> None:
        client, _ = operations.create_client("ci", kim.user)
        secret = token(kim.user, client=client)
        assert status(f"Bearer {secret}") == 200

        client.revoked_at = clock.now()
        client.save()

        assert status(f"Bearer {secret}") == 401

    def test_an_inactive_user(self, kim: Any) -> None:
        login, bearer = with_password(kim), f"Bearer {token(kim.user)}"
        assert status(login) == status(bearer) == 200

        kim.user.is_active = False
        kim.user.save()

        assert status(login) == status(bearer) == 401

    def test_a_user_without_an_account_is_403(self) -> None:
        stranger = factories.UserFactory.create()

        answer = Client().get(PATH, headers={"authorization": f"Bearer {token(stranger)}"})

        assert (answer.status_code, list(answer.json())) == (403, ["Message"])

    def test_a_member_who_is_none_any_more(self, kim: Any) -> None:
        header = f"Bearer {token(kim.user)}"
        assert status(header) == 200

        Membership.objects.get(user=kim.user).delete()

        assert status(header) == 403


class TestAccount:
    def test_the_header_chooses_another_account(self, kim: Any) -> None:
        other = Account.objects.create(name="other")
        Membership.objects.create(account=other, user=kim.user)
        caller = Caller(kim)

        caller.post(PATH, {"Type": "Work"}, x_account_id=str(other.pk))
        caller.post(PATH, {"Type": "Work"})

        assert [run.account for run in TaskStatus.objects.order_by("position")] == [
            other,
            kim.account,
        ]

    @pytest.mark.parametrize("account", ["none", "00000000-0000-4000-8000-000000000000"])
    def test_one_that_is_not_the_callers_is_403(self, kim: Any, account: str) -> None:
        assert status(f"Bearer {token(kim.user)}", x_account_id=account) == 403

    def test_the_system_account_is_the_operators(self, kim: Any) -> None:
        system, _ = Account.objects.get_or_create(is_system=True, defaults={"name": "System"})
        operator = factories.actor(is_superuser=True)
        header = {"X-Account-Id": str(system.pk)}

        answers = [
            Client().get(PATH, headers={"authorization": f"Bearer {token(user)}", **header})
            for user in (operator.user, kim.user)
        ]

        assert [answer.status_code for answer in answers] == [200, 403]


class TestScope:
    @pytest.mark.parametrize(
        "scope, read, write",
        [
            ("", 200, 202),
            ("tasks:read tasks:write", 200, 202),
            ("tasks:read", 200, 403),
            ("tasks:write", 403, 202),
        ],
    )
    def test_a_token_does_only_what_its_scope_says(
        self, kim: Any, scope: str, read: int, write: int
    ) -> None:
        caller = Caller(kim, authorization=f"Bearer {token(kim.user, scope=scope)}")
        run = factories.run(owner=kim)

        assert caller.get(PATH).status_code == read
        assert caller.get(f"/api/backgroundtask/work-{run.pk}").status_code == read
        assert caller.post(PATH, {"Type": "Work"}).status_code == write


class TestPrice:
    def test_a_token_is_looked_up_once_and_then_believed(
        self, kim: Any, django_assert_num_queries: Any
    ) -> None:
        header = f"Bearer {token(kim.user)}"
        with django_assert_num_queries(2 + 1):  # the token, its account; the list
            status(header)

        with django_assert_num_queries(1):
            status(header)

    def test_a_basic_login_is_hashed_once(
        self, kim: Any, hashed: list[str], django_assert_num_queries: Any
    ) -> None:
        header = with_password(kim)
        assert status(header) == 200
        assert hashed == ["right"]

        with django_assert_num_queries(1):
            assert status(header) == 200
        grown_old()
        with django_assert_num_queries(2 + 1):
            assert status(header) == 200

        assert hashed == ["right"]

    def test_a_changed_password_is_noticed_at_once(self, kim: Any) -> None:
        old = with_password(kim, "old")
        assert status(old) == 200

        new = with_password(kim, "new")

        assert (status(old), status(new)) == (401, 200)

    def test_a_password_changed_elsewhere_is_noticed_when_the_cache_is_over(self, kim: Any) -> None:
        old = with_password(kim, "old")
        assert status(old) == 200

        # No signal reaches this process.
        type(kim.user).objects.update(password=hashers.make_password("new"))
        grown_old()

        assert status(old) == 401

    def test_nothing_that_is_kept_shows_a_credential(self, kim: Any) -> None:
        secret = token(kim.user)
        status(f"Bearer {secret}")
        status(with_password(kim, "s3cret-of-kim"))

        kept = repr(authentication._known) + repr(authentication._proofs)

        assert secret not in kept
        assert "s3cret-of-kim" not in kept
        assert not AccessToken.objects.filter(digest__contains=secret).exists()


class TestThrottle:
    def test_too_many_failures_are_429_also_with_the_right_password(self, kim: Any) -> None:
        right = with_password(kim)
        for number in range(10):
            assert status(basic("kim", f"wrong{number}")) == 401

        answer = Client().get(PATH, headers={"authorization": right})

        assert (answer.status_code, list(answer.json())) == (429, ["Message"])
        assert int(answer["Retry-After"]) > 0

    def test_another_user_and_another_address_are_not_held_up(self, kim: Any) -> None:
        right = with_password(kim)
        other = with_password(factories.actor(username="other"))
        for number in range(11):
            status(basic("KIM", f"wrong{number}"))

        assert status(right) == 429
        assert status(other) == 200
        elsewhere = Client(REMOTE_ADDR="10.0.0.9").get(PATH, headers={"authorization": right})
        assert elsewhere.status_code == 200

    def test_who_is_known_already_polls_on(self, kim: Any) -> None:
        right = with_password(kim)
        assert status(right) == 200
        for number in range(11):
            status(basic("kim", f"wrong{number}"))
        grown_old()

        assert status(right) == 200


class TestSession:
    @pytest.fixture
    def browser(self, kim: Any) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(kim.user)
        return client

    def test_a_cookie_reads(self, browser: Client, kim: Any) -> None:
        run = factories.run(owner=kim)

        assert browser.get(PATH).status_code == 200
        assert browser.get(f"/api/backgroundtask/work-{run.pk}").status_code == 200

    def test_a_write_without_a_csrf_token_is_403(self, browser: Client) -> None:
        answer = browser.post(PATH, {"Type": "Work"}, content_type="application/json")

        assert (answer.status_code, list(answer.json())) == (403, ["Message"])
        assert not TaskStatus.objects.exists()

    def test_a_write_with_one_is_taken(self, browser: Client) -> None:
        secret = "a" * 32
        browser.cookies["csrftoken"] = secret

        answer = browser.post(
            PATH,
            {"Type": "Work"},
            content_type="application/json",
            headers={"x-csrftoken": secret},
        )

        assert answer.status_code == 202

    def test_a_wrong_header_is_not_mended_by_a_cookie(self, browser: Client) -> None:
        answer = browser.get(PATH, headers={"authorization": "Bearer wrong"})

        assert answer.status_code == 401


@pytest.mark.django_db(transaction=True)
def test_one_login_at_one_moment_is_hashed_once(kim: Any, hashed: list[str]) -> None:
    from django.db import connection

    header = with_password(kim)
    gate = threading.Barrier(6)
    seen: list[int] = []

    def poll() -> None:
        gate.wait(10)
        seen.append(status(header))
        connection.close()

    threads = [threading.Thread(target=poll) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert seen == [200] * 6
    assert hashed == ["right"]
