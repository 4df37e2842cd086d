"""Tokens: how one is had, the ways of showing it, and what does not open anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from backgroundtasks import clock, operations
from backgroundtasks.models import AccessToken
from tests.support.arcgis import ROOT, SHARING, Script, body, code, user

pytestmark = pytest.mark.django_db

GENERATE = f"{SHARING}/generateToken"
LOGIN = f"{ROOT}/login"


@pytest.fixture
def ann() -> Any:
    ann = user(username="ann")
    ann.set_password("sesame-42")
    ann.save()
    return ann


def asked(**form: Any) -> Any:
    login = {"username": "ann", "password": "sesame-42", "f": "json"}
    return body(Client().post(GENERATE, login | form))


class TestGenerateToken:
    def test_a_name_and_a_password_give_a_token_for_an_hour(self, ann: Any) -> None:
        said = asked(client="requestip")

        assert set(said) == {"token", "expires", "ssl"}
        assert said["ssl"] is True
        left = datetime.fromtimestamp(said["expires"] / 1000, clock.now().tzinfo) - clock.now()
        assert timedelta(minutes=59) < left <= timedelta(minutes=60)
        answer = Client().get(ROOT, {"f": "json", "token": said["token"]})
        assert body(answer)["status"] == "success"

    @pytest.mark.parametrize(
        "asked_for, given", [("1", 1), ("1440", 1440), ("99999999", 20160), ("9" * 400, 20160)]
    )
    def test_expiration_is_in_minutes_and_more_than_the_limit_is_the_limit(
        self, ann: Any, asked_for: str, given: int
    ) -> None:
        said = asked(expiration=asked_for)

        life = AccessToken.objects.get().expires_at - clock.now()
        assert timedelta(minutes=given - 1) < life <= timedelta(minutes=given)
        assert abs(said["expires"] / 1000 - (clock.now() + life).timestamp()) < 5

    @pytest.mark.parametrize("expiration", ["0", "-5", "soon", "1.5", "٣"])
    def test_no_number_of_minutes_is_400(self, ann: Any, expiration: str) -> None:
        said = asked(expiration=expiration)

        assert code(said) == 400
        assert "expiration" in said["error"]["details"][0]
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize(
        "change", [{"password": "wrong"}, {"username": "Ann"}, {"password": ""}]
    )
    def test_a_wrong_login_is_refused_as_the_vendor_does(
        self, ann: Any, change: dict[str, str]
    ) -> None:
        assert asked(**change) == {
            "error": {
                "code": 400,
                "message": "Unable to generate token.",
                "details": ["Invalid username or password."],
            }
        }

    def test_a_password_in_the_url_is_refused(self, ann: Any) -> None:
        query = urlencode({"username": "ann", "password": "sesame-42", "f": "json"})

        assert code(body(Client().post(f"{GENERATE}?{query}"))) == 400
        assert code(body(Client().get(f"{GENERATE}?{query}"))) == 405

    def test_failed_logins_are_throttled_and_never_answered_429(
        self, ann: Any, settings: Any
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "LOGIN_ATTEMPTS": 2}

        for _ in range(2):
            asked(password="wrong")
        said = asked()

        assert code(said) == 400
        assert "Too many" in said["error"]["details"][0]

    @pytest.mark.parametrize("referer", [None, "https://elsewhere.example"])
    def test_what_a_token_is_bound_to_is_not_held_against_its_holder(
        self, ann: Any, referer: str | None
    ) -> None:
        """One of the vendor's clients binds it to a referer and sends none."""
        token = asked(client="referer", referer="referer")["token"]
        headers = {} if referer is None else {"referer": referer}

        answer = Client().get(ROOT, {"f": "json", "token": token}, headers=headers)

        assert body(answer)["status"] == "success"

    def test_it_has_a_page_with_a_form(self, ann: Any) -> None:
        page = Client().get(GENERATE)

        assert page.status_code == 200
        assert b'name="expiration"' in page.content


class TestShowingIt:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "place", ["body", "query", "X-Esri-Authorization", "Authorization", "authorization"]
    )
    def test_four_ways_open_both_methods(self, method: str, place: str) -> None:
        script = Script()
        form = {"f": "json"} | ({"token": script.token} if place == "body" else {})
        query = f"?token={script.token}" if place == "query" else ""
        headers = {place: f"Bearer {script.token}"} if place.lower().endswith("ation") else {}

        answer = Client().generic(
            method,
            f"{ROOT}/system{query}",
            urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )

        assert "resources" in body(answer)

    def test_the_body_goes_before_the_query_and_the_headers(self) -> None:
        script = Script()

        answer = Client().post(
            f"{ROOT}/system?token=wrong",
            {"f": "json", "token": script.token},
            headers={"X-Esri-Authorization": "Bearer wrong", "Authorization": "Bearer wrong"},
        )

        assert "resources" in body(answer)

    def test_none_is_499(self) -> None:
        for answer in (Client().get(ROOT, {"f": "json"}), Client().post(ROOT, {"f": "json"})):
            assert code(body(answer)) == 499
            assert answer.json()["error"]["message"] == "Token Required."

    def test_an_unknown_an_expired_and_a_revoked_one_are_498(self) -> None:
        expired, revoked = Script(), Script()
        AccessToken.objects.filter(user=expired.user).update(expires_at=clock.now())
        operations.revoke_token(revoked.token)

        for token in ("wrong", "ü", expired.token, revoked.token):
            said = body(Client().get(ROOT, {"f": "json", "token": token}))
            assert said == {"error": {"code": 498, "message": "Invalid Token.", "details": []}}

    def test_a_cookie_alone_reads_and_never_authorises_a_post(self) -> None:
        script = Script()
        browser = Client()
        browser.cookies["arcgis_token"] = script.token

        assert body(browser.get(ROOT, {"f": "json"}))["status"] == "success"
        assert code(body(browser.post(ROOT, {"f": "json"}))) == 499

    def test_neither_a_session_nor_a_basic_login_opens_it(self, ann: Any) -> None:
        browser = Client()
        browser.force_login(ann)
        basic = {"authorization": "Basic YW5uOnNlc2FtZS00Mg=="}

        assert code(body(browser.get(ROOT, {"f": "json"}))) == 499
        assert code(body(Client().post(ROOT, {"f": "json"}, headers=basic))) == 499

    def test_a_token_without_the_scope_is_403(self) -> None:
        script = Script()
        AccessToken.objects.update(scope="tasks:write")

        assert code(script.get(f"{ROOT}/system")) == 403


class TestSigningIn:
    def test_it_sets_a_cookie_that_no_script_reads_and_leads_on(self, ann: Any) -> None:
        browser = Client()
        first = browser.get(f"{ROOT}/system")
        assert (first.status_code, first["Location"]) == (
            303,
            f"{LOGIN}?redirect=%2Farcgis%2Fadmin%2Fsystem",
        )
        form = {"username": "ann", "password": "sesame-42", "redirect": f"{ROOT}/system"}

        answer = browser.post(LOGIN, form)

        assert (answer.status_code, answer["Location"]) == (303, f"{ROOT}/system")
        cookie = answer.cookies["arcgis_token"]
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"]) == ("Lax", ROOT)
        page = browser.get(f"{ROOT}/system")
        assert page.status_code == 200
        assert f'name="token" value="{cookie.value}"' in page.content.decode()

    @pytest.mark.parametrize(
        "where",
        [
            "https://evil.example/",
            "//evil.example",
            "/admin/",
            "",
            f"{ROOT}evil",
            f"{ROOT}/../../admin/",
            f"{ROOT}\\@evil.example",
            f"{ROOT}\r\nX: y",
        ],
    )
    def test_it_leads_nowhere_else(self, ann: Any, where: str) -> None:
        form = {"username": "ann", "password": "sesame-42", "redirect": where}

        assert Client().post(LOGIN, form)["Location"] == ROOT

    def test_a_wrong_password_shows_the_form_again_without_it(self, ann: Any) -> None:
        page = Client().post(LOGIN, {"username": "ann", "password": "sesame-43"})

        assert page.status_code == 403
        assert "Invalid username or password." in page.content.decode()
        assert 'value="ann"' in page.content.decode()
        assert "sesame" not in page.content.decode()

    def test_another_site_cannot_sign_anybody_in(self, ann: Any) -> None:
        form = {"username": "ann", "password": "sesame-42"}

        answer = Client().post(LOGIN, form, headers={"origin": "https://evil.example"})

        assert answer.status_code == 403
        assert not answer.cookies
        own = Client().post(LOGIN, form, headers={"origin": "http://testserver"})
        assert own.status_code == 303

    def test_signing_out_makes_the_token_worthless(self, ann: Any) -> None:
        browser = Client()
        form = {"username": "ann", "password": "sesame-42"}
        token = browser.post(LOGIN, form).cookies["arcgis_token"].value

        browser.post(f"{ROOT}/logout")  # by another site: without the token nothing happens
        assert browser.get(ROOT).status_code == 200
        browser.post(f"{ROOT}/logout", {"token": token})

        assert browser.get(ROOT).status_code == 303
        assert code(body(Client().get(ROOT, {"f": "json", "token": token}))) == 498
