"""Refusals: each in the shape of its status, under an id that stands in our log, too."""

from __future__ import annotations

import base64
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client

from backgroundtasks import operations
from backgroundtasks.api import throttle
from backgroundtasks.api.sailpoint import listing, reading
from tests.support import factories
from tests.support.http import Caller, basic, token
from tests.support.sailpoint import BASES

pytestmark = pytest.mark.django_db

TRACKING_ID = re.compile(r"[0-9a-f]{32}")
UNKNOWN = "0" * 32


@pytest.fixture(autouse=True)
def no_failures() -> None:
    cache.clear()


def require_error(answer: Any, status: int, code: str) -> str:
    """Hold the error object against the contract; return its tracking id."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    body = answer.json()
    assert list(body) == ["detailCode", "trackingId", "messages", "causes"]
    assert (body["detailCode"], body["causes"]) == (code, [])
    assert TRACKING_ID.fullmatch(body["trackingId"])
    first, second = body["messages"]
    assert (first["locale"], first["localeOrigin"]) == ("en-US", "DEFAULT")
    assert (second["locale"], second["localeOrigin"]) == ("und", "REQUEST")
    assert first["text"] == second["text"] != ""
    return str(body["trackingId"])


@pytest.mark.parametrize("base", BASES.values())
class TestEveryVersion:
    def test_what_does_not_fit_is_400(self, base: str) -> None:
        require_error(Caller().get(f"{base}?limit=x"), 400, "400.1.3 Illegal value")

    def test_without_a_credential_it_is_401(self, base: str) -> None:
        for path in (base, f"{base}/{UNKNOWN}"):
            answer = Client().get(path)

            assert (answer.status_code, answer["Content-Type"]) == (401, "application/json")
            assert answer.json() == {"error": "Sign in: send a bearer token or a Basic login."}
            assert answer["WWW-Authenticate"].startswith("Bearer ")

    def test_without_the_scope_it_is_403(self, base: str) -> None:
        actor = factories.actor()
        bearer = f"Bearer {token(actor.user, scope='tasks:write')}"

        for path in (base, f"{base}/{UNKNOWN}"):
            answer = Caller(actor, authorization=bearer).get(path)

            require_error(answer, 403, "403 Forbidden")

    def test_an_unknown_one_is_404(self, base: str) -> None:
        require_error(Caller().get(f"{base}/{UNKNOWN}"), 404, "404 Not found")

    def test_another_method_is_405(self, base: str) -> None:
        answer = Caller().post(base, {})

        require_error(answer, 405, "405 Method not allowed")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer nope",
        "Bearer ",
        "Bearer \xff",
        "Nonsense",
        basic("nobody", "x"),
        "Basic " + base64.b64encode(b"a:\0b").decode(),
        "Basic !",
    ],
)
def test_a_wrong_credential_is_401(header: str) -> None:
    answer = Client().get("/task-status/v1", headers={"authorization": header})

    assert (answer.status_code, list(answer.json())) == (401, ["error"])


def test_an_expired_token_is_401() -> None:
    actor = factories.actor()
    expired = token(actor.user, life=timedelta(seconds=-1))

    answer = Caller(actor, authorization=f"Bearer {expired}").get("/v2024/task-status")

    assert (answer.status_code, answer.json()) == (401, {"error": "The token has expired."})


@pytest.mark.parametrize("account", ["nope", "6bf14a2e-8c3f-4e0d-b1c6-4c6f4f3a9d10"])
def test_an_account_of_others_is_403(account: str) -> None:
    require_error(Caller().get("/beta/task-status", x_account_id=account), 403, "403 Forbidden")


def test_a_user_without_an_account_is_403() -> None:
    user = factories.UserFactory.create()
    header = {"authorization": f"Bearer {operations.issue_token(user)[0]}"}

    require_error(Client().get("/task-status/v1", headers=header), 403, "403 Forbidden")


def test_too_many_failed_logins_are_429() -> None:
    for _ in range(10):
        Client().get("/task-status/v1", headers={"authorization": basic("eve", "x")})

    answer = Client().get("/task-status/v1", headers={"authorization": basic("eve", "x")})

    assert (answer.status_code, list(answer.json())) == (429, ["message"])
    assert answer["Retry-After"].isdigit()


class TestRateLimit:
    def test_there_is_none_by_default(self) -> None:
        me = Caller()

        assert {me.get("/task-status/v1?limit=0").status_code for _ in range(120)} == {200}

    def test_with_one_the_next_request_of_the_version_is_429(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "SAILPOINT_RATE_LIMIT": 2}
        at = datetime(2026, 3, 4, 9, 0, 3, 500_000, tzinfo=UTC)
        me, other = Caller(), Caller()
        monkeypatch.setattr(throttle.clock, "now", lambda: at)
        monkeypatch.setattr(reading, "oldest_shown", lambda: 0)
        for caller in (me, other):
            caller.headers["authorization"] = basic_of(caller)

        codes = [me.get("/task-status/v1").status_code for _ in range(2)]
        answer = me.get(f"/task-status/v1/{UNKNOWN}")

        assert codes == [200, 200]
        assert (answer.status_code, list(answer.json())) == (429, ["message"])
        assert answer["Retry-After"] == "7"
        assert me.get("/beta/task-status").status_code == 200
        assert other.get("/task-status/v1").status_code == 200
        at += timedelta(seconds=7)
        assert me.get("/task-status/v1").status_code == 200


def basic_of(caller: Caller) -> str:
    """Return a login that does not expire."""
    user = caller.actor.user
    user.set_password("x")
    user.save()
    return basic(user.username, "x")


def test_a_host_that_is_not_ours_reads_nothing(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["ours"]

    answer = Caller().get("/task-status/v1", host="theirs")

    assert (answer.status_code, answer.json()["detailCode"]) == (400, "400.0 Bad request syntax")


class TestTheLog:
    def test_a_refusal_stands_in_it_under_its_tracking_id(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            answer = Caller().get("/v2026/task-status?limit=secret-9")

        tracking_id = require_error(answer, 400, "400.1.3 Illegal value")
        [line] = [r.getMessage() for r in caplog.records if tracking_id in r.getMessage()]
        assert line == (
            f"request.refused tracking_id={tracking_id} status=400 "
            "code='400.1.3 Illegal value' method=GET path='/v2026/task-status'"
        )
        assert "secret-9" not in caplog.text

    def test_a_path_does_not_break_its_line(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            Caller().get("/task-status/v1/x%0d%0aERROR all is lost")

        assert "\nERROR" not in "".join(r.getMessage() for r in caplog.records)

    def test_a_crash_is_500_and_has_its_line(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def crash(*_: Any) -> None:
            raise RuntimeError("no one foresaw this")

        monkeypatch.setattr(listing, "page", crash)
        answer = Caller().get("/task-status/v1")

        tracking_id = require_error(answer, 500, "500.0 Internal Fault")
        assert "no one foresaw" not in answer.content.decode()
        [record] = [r for r in caplog.records if tracking_id in r.getMessage()]
        assert (record.levelname, record.exc_info is not None) == ("ERROR", True)

    def test_without_a_database_it_is_503(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def away(*_: Any) -> None:
            raise OperationalError("gone away")

        monkeypatch.setattr(reading, "read_one", away)
        answer = Caller().get(f"/task-status/v1/{UNKNOWN}")

        require_error(answer, 503, "503 Service unavailable")
        assert answer["Retry-After"] == "5"
        assert "database.away error=gone away" in caplog.text
