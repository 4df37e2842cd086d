"""Where the API is mounted: links are absolute, and lead to where the caller came from."""

from __future__ import annotations

from typing import Any

import pytest

from backgroundtasks.models import TaskStatus
from tests.support import factories
from tests.support.http import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("through")]


@pytest.fixture(autouse=True)
def mounted(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.mounted_urls"
    settings.ALLOWED_HOSTS = ["et.example.org"]


def test_an_application_path_stands_in_every_link() -> None:
    caller = Caller()
    host = {"host": "et.example.org"}

    started = caller.post("/EnterpriseTester/api/backgroundtasks/", {"Type": "Work"}, **host)
    polled = caller.get(started["Location"].removeprefix("http://et.example.org"), **host)
    root = caller.get("/EnterpriseTester/api/", **host).json()

    assert started.status_code == 202
    assert polled.json()["Self"] == started["Location"]
    assert started["Location"].startswith(
        "http://et.example.org/EnterpriseTester/api/backgroundtask/work-"
    )
    assert all(
        link["Href"].startswith("http://et.example.org/EnterpriseTester/api/")
        for link in root["Links"]
    )


def test_links_say_https_where_a_trusted_proxy_says_so(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    caller = Caller()
    run = factories.run(owner=caller.actor)
    path = f"/EnterpriseTester/api/backgroundtask/work-{run.pk}"

    plain = caller.get(path, host="et.example.org").json()
    secure = caller.get(path, host="et.example.org", x_forwarded_proto="https").json()

    assert plain["Self"] == f"http://et.example.org{path}"
    assert secure["Self"] == f"https://et.example.org{path}"


def test_a_host_that_is_not_ours_makes_no_links() -> None:
    caller = Caller()
    run = factories.run(owner=caller.actor)

    answer = caller.get(f"/EnterpriseTester/api/backgroundtask/work-{run.pk}", host="evil.example")

    assert answer.status_code == 400
    assert b"evil" not in answer.content


def test_a_host_that_is_not_ours_starts_nothing() -> None:
    answer = Caller().post(
        "/EnterpriseTester/api/backgroundtasks", {"Type": "Work"}, host="evil.example"
    )

    assert answer.status_code == 400
    assert not TaskStatus.objects.exists()
