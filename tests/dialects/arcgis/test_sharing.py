"""What the vendor's Python API asks for while it logs in."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.support.arcgis import SHARING, Script, body, code, user

pytestmark = pytest.mark.django_db


def test_info_says_where_tokens_come_from() -> None:
    said = body(Client().get(f"{SHARING}/info", {"f": "json"}))

    assert said["authInfo"] == {
        "isTokenBasedSecurity": True,
        "tokenServicesUrl": f"https://testserver{SHARING}/generateToken",
    }


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_portal_says_what_it_is_and_who_asks(method: str) -> None:
    script = Script()

    anonymous = body(getattr(Client(), method)(f"{SHARING}/portals/self", {"f": "json"}))
    known = getattr(script, method)(f"{SHARING}/portals/self")

    assert anonymous["portalDeploymentType"] == "ArcGISEnterpriseOnKubernetes"
    assert (anonymous["portalMode"], anonymous["allSSL"]) == ("singletenant", True)
    assert anonymous["portalName"]
    assert "user" not in anonymous
    assert known["user"]["username"] == script.user.username


def test_an_administrator_has_a_privilege_that_names_administration() -> None:
    script = Script()

    for path in ("community/self", f"community/users/{script.user.username}"):
        said = script.get(f"{SHARING}/{path}", returnUserLicensedItems="true")
        assert said["username"] == script.user.username
        assert any(":admin:" in privilege for privilege in said["privileges"])


def test_somebody_else_has_none_and_sees_nobody_else() -> None:
    script = Script(user(operator=False))

    assert script.get(f"{SHARING}/community/self")["privileges"] == []
    assert code(script.get(f"{SHARING}/community/users/{user().username}")) == 400
    assert code(script.get(f"{SHARING}/community/users/nobody")) == 400


def test_nobody_without_a_token_is_somebody() -> None:
    for path in ("community/self", "community/users/ann"):
        assert code(body(Client().get(f"{SHARING}/{path}", {"f": "json"}))) == 499
        assert code(body(Client().get(f"{SHARING}/{path}", {"f": "json", "token": "no"}))) == 498


def test_the_rest_of_the_sharing_api_is_not_there() -> None:
    answer = Client().post(f"{SHARING}/portals/self/roles", {"f": "json"})

    assert code(answer.json()) == 404
