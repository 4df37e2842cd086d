"""What goes wrong is told in the vendor's shape, and can be found in the log."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from backgroundtasks.api.astra import listing, views
from tests.support import factories
from tests.support.astra import path_of, problem, tasks_path, valid
from tests.support.http import Caller, basic

pytestmark = pytest.mark.django_db


def gone(*_: Any, **__: Any) -> None:
    raise OperationalError("server closed the connection unexpectedly\n\tThis probably means")


def test_the_correlation_id_stands_in_the_log(
    through: str, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        body = problem(caller.get(f"{tasks_path(caller)}/nothing"), 1)

    lines = [r.getMessage() for r in caplog.records if body["correlationID"] in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith(
        "astra.refused type=https://astra.netapp.io/problems/1 status=404 method=GET"
    )


def test_a_path_forges_no_line_of_the_log(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        caller.get(f"{tasks_path(caller)}/x%0Aastra.refused type=forged")

    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_a_problem_has_the_vendors_members_and_a_status_that_is_a_text(caller: Caller) -> None:
    body = problem(caller.get(f"{tasks_path(caller)}?limit=0"), 5)

    assert list(body) == ["type", "title", "detail", "status", "correlationID", "invalidParams"]
    assert (body["title"], body["status"]) == ("Invalid query parameters", "400")


def test_without_the_database_it_says_when_to_come_again(
    through: str, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run = factories.run(owner=caller.actor)
    assert caller.get(path_of(run)).status_code == 200

    with connection.execute_wrapper(gone):
        one, many = caller.get(path_of(run)), caller.get(tasks_path(caller))

    for answer in (one, many):
        assert answer.status_code == 503
        problem(answer, 24)
        assert answer["Retry-After"] == "5"
    lines = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert len(lines) == 2
    assert lines[0].startswith(
        "database.away error=server closed the connection unexpectedly correlation_id="
    )
    assert caller.get(path_of(run)).status_code == 200


def test_a_crash_is_a_problem_and_its_traceback_is_in_the_log(
    through: str,
    caller: Caller,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(views, "represent", crash)
    monkeypatch.setattr(listing, "represent", crash)
    run = factories.run(owner=caller.actor)

    for path in (path_of(run), tasks_path(caller)):
        answer = caller.get(path)
        body = problem(answer, 34)

        assert answer.status_code == 500
        assert b"secret" not in answer.content
        [record] = [r for r in caplog.records if body["correlationID"] in r.getMessage()][:1]
        assert record.getMessage().startswith("request.failed method=GET")
        assert record.exc_info


def test_too_many_failed_logins_are_told_when_to_come_again(settings: Any) -> None:
    cache.clear()
    settings.TASKCENTER = {**settings.TASKCENTER, "LOGIN_ATTEMPTS": 2}
    caller = Caller(authorization=basic("somebody", "wrong"))
    answers = [caller.get(tasks_path(caller)) for _ in range(3)]

    problem(answers[0], 4)
    problem(answers[1], 4)
    body = valid("problem", answers[2].json())
    assert answers[2].status_code == 429
    assert (body["type"], body["title"], body["status"]) == (
        "about:blank",
        "Too Many Requests",
        "429",
    )
    assert int(answers[2]["Retry-After"]) > 0
    cache.clear()


def test_a_host_that_is_not_ours_is_refused_in_shape(
    through: str, caller: Caller, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["tasks.example.org"]
    run = factories.run(owner=caller.actor)

    for path in (path_of(run), tasks_path(caller)):
        answer = caller.get(path, host="evil.example")

        assert answer.status_code == 400
        valid("problem", answer.json())
        assert b"evil" not in answer.content


def test_a_crash_before_the_view_is_told_in_shape(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.MIDDLEWARE = ["tests.support.astra.Crashing", *settings.MIDDLEWARE]

    answer = caller.get(tasks_path(caller))

    problem(answer, 34)


def test_a_signed_in_user_reads_with_the_session(caller: Caller) -> None:
    client = Client()
    client.force_login(caller.actor.user)

    assert valid("list", client.get(tasks_path(caller)).json())
