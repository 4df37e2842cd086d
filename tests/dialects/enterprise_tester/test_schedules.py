"""Schedules over HTTP: everything that an operator's script needs, in the dialect's style."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock, scheduling
from backgroundtasks.models import Schedule, TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller, token

pytestmark = pytest.mark.django_db

NIGHTLY = {"Type": "work", "Expression": "0 0 4 * * ?", "Parameters": {"Steps": 1}}
FOLDER = "/api/backgroundtaskschedules"


def make(caller: Caller, **members: Any) -> Any:
    answer = caller.post(FOLDER, {**NIGHTLY, **members})
    assert answer.status_code == 201, answer.content
    return answer.json()


def put(caller: Caller, path: str, body: Any) -> Any:
    return caller._client.put(
        path, json.dumps(body), content_type="application/json", headers=caller.headers
    )


def path_of(schedule: Any, what: str = "") -> str:
    return f"/api/backgroundtaskschedule/{schedule['Id']}{what}"


def test_is_made_with_its_location_and_read_back(caller: Caller) -> None:
    answer = caller.post(FOLDER, {**NIGHTLY, "Title": "Nightly", "Labels": {"team": "qa"}})

    body = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, body["Self"])
    assert caller.get(body["Self"]).json() == body
    assert (body["Type"], body["State"], body["Title"]) == ("Work", "active", "Nightly")
    assert body["NextAt"].endswith("T04:00:00Z")
    assert body["InWords"] == "At 04:00"
    assert body["Labels"] == {"team": "qa"}
    assert body["Owner"] == caller.actor.user.get_username()
    assert (body["RunsMade"], body["Generation"], body["LastRun"]) == (0, 1, None)


def test_masks_secrets_in_every_answer(caller: Caller) -> None:
    body = make(caller, Parameters={"Secret": "s3cret!"})
    for path in (FOLDER, path_of(body)):
        assert "s3cret!" not in caller.get(path).content.decode()
    assert body["Parameters"]["Secret"] == "********"


@pytest.mark.parametrize(
    "wrong, status, words",
    [
        ({"Expression": "0 0 24 * * ?"}, 403, "position 4"),
        ({"Expression": "0 0 0 31 2 ?"}, 403, "Never fires"),
        ({"Expression": "x" * 201}, 403, "Expression"),
        ({"Expression": 5}, 400, "Expression"),
        ({"Type": "Nope"}, 403, "Nope"),
        ({"Parameters": {"Nope": 1}}, 403, "Nope"),
        ({"Parameters": "x"}, 400, "Parameters"),
        ({"MaxRuns": 0}, 403, "MaxRuns"),
        ({"MaxRuns": 1.5}, 400, "MaxRuns"),
        ({"Overlap": "perhaps"}, 403, "Overlap"),
        ({"StartsAt": "soon"}, 403, "StartsAt"),
        ({"StartsAt": "2099-01-02T00:00:00Z", "EndsAt": "2099-01-01T00:00:00Z"}, 403, "start"),
        ({"EndsAt": "2001-01-01T00:00:00Z"}, 403, "Never fires"),
        ({"Labels": {"a": 1}}, 403, "labels"),
        ({"Title": "x" * 201}, 403, "Title"),
        ({"Title": "a\0b"}, 403, ""),
    ],
)
def test_refuses_what_makes_no_schedule(
    caller: Caller, wrong: dict[str, Any], status: int, words: str
) -> None:
    answer = caller.post(FOLDER, {**NIGHTLY, **wrong})
    assert (answer.status_code, list(answer.json())) == (status, ["Message"])
    assert words in answer.json()["Message"]
    assert not Schedule.objects.exists()


def test_changes_what_is_named_and_leaves_the_rest(caller: Caller) -> None:
    schedule = make(caller, MaxRuns=5, Title="Nightly")

    changed = put(caller, path_of(schedule), {"Expression": "0 30 5 * * ?", "MaxRuns": None})

    assert changed.status_code == 200, changed.content
    body = changed.json()
    assert (body["MaxRuns"], body["Title"], body["Generation"]) == (None, "Nightly", 2)
    assert body["NextAt"].endswith("T05:30:00Z")
    assert body["Parameters"] == schedule["Parameters"]


def test_that_is_refused_changes_nothing(caller: Caller) -> None:
    schedule = make(caller)
    refused = put(caller, path_of(schedule), {"Title": "New", "Expression": "nonsense"})
    assert refused.status_code == 403
    assert caller.get(path_of(schedule)).json() == schedule


def test_is_paused_resumed_and_deleted(caller: Caller) -> None:
    schedule = make(caller)
    paused = caller.post(path_of(schedule, "/pause")).json()
    assert (paused["State"], paused["NextAt"]) == ("paused", None)
    resumed = caller.post(path_of(schedule, "/Resume/")).json()
    assert (resumed["State"], resumed["NextAt"]) == ("active", schedule["NextAt"])
    assert caller.call("DELETE", path_of(schedule)).status_code == 204
    assert caller.get(path_of(schedule)).status_code == 404
    assert caller.get(FOLDER).json()["Items"] == []


def test_runs_now_and_lists_its_runs_newest_first(caller: Caller) -> None:
    schedule = make(caller, Labels={"team": "qa"})
    started = caller.post(path_of(schedule, "/run"))
    assert started.status_code == 202
    assert caller.get(started["Location"]).content == started.content
    Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))
    scheduling.fire_due()

    page = caller.get(path_of(schedule, "/runs")).json()

    assert [item["State"] for item in page["Items"]] == ["skipped", "queued"]
    assert page["Items"][1]["Self"] == started["Location"]
    assert page["Items"][0]["Error"]
    assert caller.get(path_of(schedule)).json()["LastRun"] == started["Location"]
    assert (
        len(caller.get(path_of(schedule, "/runs?$filter=State eq 'queued'")).json()["Items"]) == 1
    )


def test_says_why_it_is_broken(caller: Caller) -> None:
    schedule = make(caller)
    Schedule.objects.update(expression="nonsense", next_at=clock.now() - timedelta(seconds=1))
    scheduling.fire_due()
    body = caller.get(path_of(schedule)).json()
    assert (body["State"], body["NextAt"]) == ("broken", None)
    assert "fields" in body["Problem"]


def test_cannot_be_deleted_while_a_run_is_under_way(caller: Caller) -> None:
    schedule = make(caller)
    factories.run(State.RUNNING, owner=caller.actor, task=Schedule.objects.get().task)
    answer = caller.call("DELETE", path_of(schedule))
    assert (answer.status_code, list(answer.json())) == (409, ["Message"])


def test_lists_a_page_with_filters_and_order(caller: Caller) -> None:
    for title in ("a", "b", "c"):
        make(caller, Title=title)
    query = "?$filter=Title ne 'b'&$orderby=Title desc&$top=1&$inlinecount=allpages"
    page = caller.get(FOLDER + query).json()
    assert ([item["Title"] for item in page["Items"]], page["Total"]) == (["c"], 2)


def test_a_list_costs_as_many_queries_for_many_as_for_one(
    caller: Caller, django_assert_num_queries: Any
) -> None:
    make(caller)
    caller.get(FOLDER)
    with CaptureQueriesContext(connection) as one:
        caller.get(FOLDER)
    queries = len(one)
    for _ in range(5):
        make(caller)
    with django_assert_num_queries(queries):
        assert len(caller.get(FOLDER).json()["Items"]) == 6


def test_of_another_account_is_unknown_and_a_viewer_only_looks(caller: Caller) -> None:
    schedule = make(caller)
    stranger = Caller()
    viewer = Caller(factories.actor(role="viewer", account=caller.actor.account))

    assert viewer.get(path_of(schedule)).status_code == 200
    for method, what in (("POST", "/pause"), ("POST", "/resume"), ("POST", "/run"), ("DELETE", "")):
        assert stranger.call(method, path_of(schedule, what)).status_code == 404
        assert viewer.call(method, path_of(schedule, what)).status_code == 403
    assert put(stranger, path_of(schedule), {"Title": "x"}).status_code == 404
    assert put(viewer, path_of(schedule), {"Title": "x"}).status_code == 403
    assert stranger.get(path_of(schedule, "/runs")).status_code == 404
    assert viewer.post(FOLDER, NIGHTLY).status_code == 403
    assert not TaskStatus.objects.exists()


def test_takes_a_token_that_may_write(caller: Caller) -> None:
    reader = Caller(
        caller.actor, authorization=f"Bearer {token(caller.actor.user, scope='tasks:read')}"
    )
    assert reader.get(FOLDER).status_code == 200
    assert reader.post(FOLDER, NIGHTLY).status_code == 403
