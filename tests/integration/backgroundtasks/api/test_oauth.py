"""`POST /oauth/token`: client credentials by three ways, and what is refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.core.cache import cache
from django.test import Client

from backgroundtasks import clock, operations
from backgroundtasks.api import oauth
from backgroundtasks.models import AccessToken
from tests.support import factories
from tests.support.http import basic

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def no_failures() -> None:
    cache.clear()


@pytest.fixture
def registered() -> tuple[Any, str]:
    return operations.create_client("ci", factories.actor().user)


def ask(body: Any = "", kind: str = FORM, **headers: str) -> Any:
    return Client().post("/oauth/token", body, content_type=kind, headers=headers)


def three_ways(client: Any, secret: str, **more: str) -> list[Any]:
    grant = {"grant_type": "client_credentials", **more}
    shown = {"client_id": str(client.pk), "client_secret": secret}
    form = lambda members: "&".join(f"{n}={v}" for n, v in members.items())  # noqa: E731
    return [
        ask(form(grant), authorization=basic(str(client.pk), secret)),
        ask(form({**grant, **shown})),
        ask(json.dumps({**grant, **shown}), "application/json"),
    ]


@pytest.mark.parametrize("way", [0, 1, 2], ids=["basic", "form", "json"])
def test_a_client_gets_a_token_that_acts_as_its_user(registered: Any, way: int) -> None:
    answer = three_ways(*registered)[way]

    body = answer.json()
    assert answer.status_code == 200, answer.content
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert answer["Cache-Control"] == "no-store"
    reading = Client().get(
        "/api/systeminfo", headers={"authorization": f"Bearer {body['access_token']}"}
    )
    assert reading.status_code == 200


@pytest.mark.parametrize("way", [0, 1, 2], ids=["basic", "form", "json"])
def test_a_wrong_secret_is_401(registered: Any, way: int) -> None:
    client, _ = registered

    answer = three_ways(client, "wrong")[way]

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer["WWW-Authenticate"].startswith("Basic ")
    assert not AccessToken.objects.exists()


def test_a_revoked_client_is_401(registered: Any) -> None:
    client, secret = registered
    client.revoked_at = clock.now()
    client.save()

    assert [a.status_code for a in three_ways(client, secret)] == [401, 401, 401]


def test_an_unknown_client_is_401() -> None:
    assert ask("grant_type=client_credentials&client_id=x&client_secret=y").status_code == 401


class TestTransports:
    """As clients of SailPoint send them: a form of two kinds, or the query string of a POST."""

    @pytest.mark.parametrize("where", ["query", "multipart", "mixed"])
    def test_each_gets_a_token(self, registered: Any, where: str) -> None:
        answer = self.ask(where, *registered)

        assert answer.status_code == 200, answer.content
        assert set(answer.json()) >= {"access_token", "token_type", "expires_in", "scope"}
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert Client().get("/task-status/v1", headers=bearer).status_code == 200

    @pytest.mark.parametrize("where", ["query", "multipart", "mixed"])
    def test_a_wrong_secret_is_401_and_in_no_log(
        self, registered: Any, where: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        client, _ = registered

        with caplog.at_level("DEBUG"):
            answer = self.ask(where, client, "wrong-secret")

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "wrong-secret" not in caplog.text

    def test_oauthlib_sees_no_query_string(
        self, registered: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        make = oauth._server

        def server() -> Any:
            real = make()
            ask_real = real.create_token_response
            real.create_token_response = lambda uri, *rest: seen.append(uri) or ask_real(uri, *rest)
            return real

        monkeypatch.setattr(oauth, "_server", server)
        self.ask("query", *registered)

        assert seen == ["http://testserver/oauth/token"]

    def test_a_member_that_is_given_twice_otherwise_is_400(self, registered: Any) -> None:
        client, secret = registered

        answer = Client().post(
            "/oauth/token?client_id=other",
            f"grant_type=client_credentials&client_id={client.pk}&client_secret={secret}",
            content_type=FORM,
        )

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize(
        "body, kind",
        [
            (b"--x", "multipart/form-data; boundary=x"),
            (b"", "multipart/form-data"),
            (b"--\xff", "multipart/form-data; boundary=\xff"),
            (b"a=1&" * 2000, FORM),
        ],
    )
    def test_what_is_no_form_is_400(self, body: bytes, kind: str) -> None:
        answer = Client().generic("POST", "/oauth/token", body, content_type=kind)

        assert answer.status_code == 400
        assert "error" in answer.json()

    def test_a_body_of_megabytes_is_413(self) -> None:
        answer = ask("a" * (2 * 1024 * 1024))

        assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")

    def ask(self, where: str, client: Any, secret: str) -> Any:
        members = {
            "grant_type": "client_credentials",
            "client_id": str(client.pk),
            "client_secret": secret,
        }
        if where == "multipart":
            return Client().post("/oauth/token", members)
        inside = {} if where == "query" else {"client_secret": members.pop("client_secret")}
        return Client().post(
            f"/oauth/token?{urlencode(members)}", urlencode(inside), content_type=FORM
        )


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "nope"])
def test_other_grants_are_refused(registered: Any, grant: str) -> None:
    client, secret = registered

    answer = ask(f"grant_type={grant}&client_id={client.pk}&client_secret={secret}")

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "body, kind",
    [("", FORM), ("{", "application/json"), ("[]", "application/json"), ("=&&=", FORM)],
)
def test_a_body_that_asks_for_nothing_is_400(body: str, kind: str) -> None:
    answer = ask(body, kind)

    assert answer.status_code == 400
    assert "error" in answer.json()


class TestScope:
    @pytest.mark.parametrize(
        "of_client, asked, given",
        [
            ("", None, ""),
            ("", "tasks:read", "tasks:read"),
            ("tasks:read", None, "tasks:read"),
            ("tasks:read tasks:write", "tasks:write", "tasks:write"),
        ],
    )
    def test_a_token_has_what_was_asked_else_all_of_its_client(
        self, of_client: str, asked: str | None, given: str
    ) -> None:
        client, secret = operations.create_client("ci", factories.actor().user, scope=of_client)

        answer = three_ways(client, secret, **({"scope": asked} if asked else {}))[1]

        assert answer.status_code == 200, answer.content
        assert set(AccessToken.objects.values_list("client", "scope")) == {(client.pk, given)}

    @pytest.mark.parametrize(
        "of_client, asked, given",
        [
            ("", "idn:task-management:read", "tasks:read"),
            ("", "idn:task-management:write", "tasks:read tasks:write"),
            ("", "sp:scopes:default", "tasks:read"),
            ("", "sp:scopes:all", ""),
            ("tasks:read", "sp:scopes:all", "tasks:read"),
            ("", "sp:scopes:all idn:task-management:read", ""),
            ("", "idn:task-management:read tasks:write", "tasks:read tasks:write"),
        ],
    )
    def test_sailpoints_words_stand_for_ours(self, of_client: str, asked: str, given: str) -> None:
        client, secret = operations.create_client("ci", factories.actor().user, scope=of_client)

        answer = three_ways(client, secret, scope=quote(asked))[1]

        assert answer.status_code == 200, answer.content
        assert set(AccessToken.objects.values_list("scope", flat=True)) == {given}
        assert answer.json()["scope"] == asked

    @pytest.mark.parametrize(
        "of_client, asked",
        [
            ("tasks:read", "tasks:write"),
            ("", "nope"),
            ("tasks:read", "idn:task-management:write"),
            ("tasks:write", "sp:scopes:default"),
        ],
    )
    def test_more_than_the_client_may_is_refused(self, of_client: str, asked: str) -> None:
        client, secret = operations.create_client("ci", factories.actor().user, scope=of_client)

        answer = three_ways(client, secret, scope=asked)[0]

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
        assert not AccessToken.objects.exists()


def test_repeated_failures_are_429(registered: Any) -> None:
    client, secret = registered
    for _ in range(10):
        three_ways(client, "wrong")[1]

    assert three_ways(client, secret)[0].status_code == 429


def test_get_is_405() -> None:
    assert Client().get("/oauth/token").status_code == 405
