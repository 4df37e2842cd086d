"""`GET {version}`: pages of runs, newest first, as a bare array."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks.models import Message
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller
from tests.support.sailpoint import BASES, PENDING, days_ago, ids, runs

pytestmark = pytest.mark.django_db

LIST = "/task-status/v1"


@pytest.fixture
def me() -> Caller:
    return Caller()


@pytest.mark.parametrize("base", BASES.values())
def test_it_is_a_bare_array_newest_first(me: Caller, base: str) -> None:
    made = runs(me, 3)

    answer = me.get(base)

    assert ids(answer) == [run.pk.hex for run in made]
    assert answer["Content-Type"] == "application/json"
    assert "X-Total-Count" not in answer
    assert "X-Deprecated" not in answer


def test_nothing_is_an_empty_array(me: Caller) -> None:
    assert ids(me.get(LIST)) == []


def test_all_states_are_in_it(me: Caller) -> None:
    made = {factories.run(state, owner=me.actor).pk.hex for state in State}

    assert set(ids(me.get("/beta/task-status"))) == made


def test_an_item_is_what_one_shows(me: Caller) -> None:
    run = factories.run(State.WARNED, owner=me.actor, result={"values": {"a": 1}})
    Message.objects.create(run=run, level="info", key="a", parameters={"n": 1})

    [item] = me.get("/beta/task-status").json()

    assert item == me.get(f"/beta/task-status/{run.pk.hex}").json()


class TestPaging:
    def test_limit_and_offset_count_records(self, me: Caller) -> None:
        made = [run.pk.hex for run in runs(me, 5)]

        assert ids(me.get(f"{LIST}?limit=2")) == made[:2]
        assert ids(me.get(f"{LIST}?limit=2&offset=3")) == made[3:]
        assert ids(me.get(f"{LIST}?limit=250&offset=1")) == made[1:]

    def test_pages_join_also_where_places_are_equal(self, me: Caller) -> None:
        made = [factories.run(owner=me.actor, position=days_ago(1)).pk.hex for _ in range(7)]

        found = [
            one for offset in (0, 2, 4, 6) for one in ids(me.get(f"{LIST}?limit=2&offset={offset}"))
        ]

        assert sorted(found) == sorted(made)

    def test_a_page_holds_250_by_default(self, me: Caller) -> None:
        task = factories.run(owner=me.actor).task
        for _ in range(250):
            factories.run(owner=me.actor, task=task)

        assert len(ids(me.get(LIST))) == 250

    def test_behind_the_end_it_is_empty(self, me: Caller) -> None:
        runs(me, 2)

        assert ids(me.get(f"{LIST}?offset=2")) == []
        assert ids(me.get(f"{LIST}?offset=2147483647")) == []

    @pytest.mark.parametrize("base", BASES.values())
    def test_limit_0_is_an_empty_page_with_its_count(self, me: Caller, base: str) -> None:
        runs(me, 2)

        answer = me.get(f"{base}?limit=0&count=true")

        assert (ids(answer), answer["X-Total-Count"]) == ([], "2")

    @pytest.mark.parametrize("word", ["true", "True", "TRUE"])
    def test_the_count_leaves_limit_and_offset_out(self, me: Caller, word: str) -> None:
        runs(me, 3)

        answer = me.get(f"{LIST}?count={word}&limit=1&offset=2")

        assert (len(ids(answer)), answer["X-Total-Count"]) == (1, "3")

    def test_without_count_there_is_no_header(self, me: Caller) -> None:
        assert "X-Total-Count" not in me.get(f"{LIST}?count=false")

    @pytest.mark.parametrize(
        "base", [*BASES.values(), *(f"{p}/pending-tasks" for p in PENDING.values())]
    )
    @pytest.mark.parametrize(
        "query",
        [
            "limit=251",
            "limit=-1",
            "limit=abc",
            "limit=",
            "limit=1.0",
            "limit=%00",
            "limit=٣",
            "limit=" + "9" * 5000,
            "offset=-1",
            "offset=x",
            "offset=2147483648",
            "count=maybe",
            "count=",
            "count=1",
        ],
    )
    def test_what_does_not_fit_is_400(self, me: Caller, base: str, query: str) -> None:
        answer = me.get(f"{base}?{query}")

        assert answer.status_code == 400
        assert answer.json()["detailCode"] == "400.1.3 Illegal value"

    def test_unknown_parameters_are_ignored(self, me: Caller) -> None:
        [run] = runs(me, 1)

        assert ids(me.get(f"{LIST}?detail=full&page=7")) == [run.pk.hex]

    def test_more_parameters_than_django_takes_are_400(self, me: Caller) -> None:
        answer = me.get(f"{LIST}?" + "a=1&" * 2000)

        assert answer.status_code == 400
        assert answer.json()["detailCode"] == "400.0 Bad request syntax"


class TestSorters:
    @pytest.mark.parametrize(
        "sorters, first",
        [
            ("", "newest"),
            ("-created", "newest"),
            ("created", "oldest"),
            ("created,-created", "oldest"),
            ("-created, created", "newest"),
        ],
    )
    def test_created_gives_the_direction(self, me: Caller, sorters: str, first: str) -> None:
        made = [run.pk.hex for run in runs(me, 3)]

        found = ids(me.get(f"{LIST}?sorters={sorters}"))

        assert found == (made if first == "newest" else made[::-1])

    @pytest.mark.parametrize(
        "sorters", ["modified", "-id", "created,name", "Created", "created,", "--created", "%00"]
    )
    def test_another_field_is_400(self, me: Caller, sorters: str) -> None:
        answer = me.get(f"{LIST}?sorters={sorters}")

        assert answer.status_code == 400
        assert answer.json()["detailCode"] == "400.1.3 Illegal value"


class TestWhatIsSeen:
    def test_foreign_and_hidden_runs_are_left_out_and_not_counted(self, me: Caller) -> None:
        [mine] = runs(me, 1)
        factories.run()
        factories.run(owner=factories.actor(account=me.actor.account), task_type="OwnersWork")

        answer = me.get(f"{LIST}?count=true")

        assert (ids(answer), answer["X-Total-Count"]) == ([mine.pk.hex], "1")

    def test_runs_of_more_than_90_days_ago_are_left_out(self, me: Caller) -> None:
        runs(me, 1, position=days_ago(90.01))
        [young] = runs(me, 1, position=days_ago(89.99))

        answer = me.get(f"{LIST}?count=true")

        assert (ids(answer), answer["X-Total-Count"]) == ([young.pk.hex], "1")

    def test_another_account_of_the_caller_can_be_chosen(self, me: Caller) -> None:
        second = factories.MembershipFactory.create(user=me.actor.user, is_default=False)
        there = factories.actor(account=second.account)
        run = factories.run(owner=there)

        assert ids(me.get(LIST)) == []
        assert ids(me.get(LIST, x_account_id=str(second.account_id))) == [run.pk.hex]


@pytest.mark.parametrize("count", [1, 40])
def test_a_page_costs_two_queries_however_long_it_is(me: Caller, count: int) -> None:
    for run in runs(me, count, state=State.SUCCEEDED):
        Message.objects.create(run=run, level="info", key="a")
    me.get(LIST)  # who asks is known from here on

    with CaptureQueriesContext(connection) as queries:
        me.get(LIST)

    assert len(queries) == 2


def test_of_what_a_run_said_a_list_shows_the_newest_20(me: Caller) -> None:
    talkative, quiet = runs(me, 2)
    Message.objects.bulk_create(Message(run=talkative, key="a", text=str(n)) for n in range(25))
    Message.objects.create(run=quiet, key="a", text="one")

    found = {
        item["id"]: [said["localizedText"]["message"] for said in item["messages"]]
        for item in me.get(LIST).json()
    }

    assert found == {talkative.pk.hex: [str(n) for n in range(5, 25)], quiet.pk.hex: ["one"]}


class TestPending:
    @pytest.mark.parametrize("base", PENDING.values())
    def test_it_shows_what_has_not_finished(self, me: Caller, base: str) -> None:
        made = {state: factories.run(state, owner=me.actor).pk.hex for state in State}
        unfinished = [
            state
            for state in State
            if me.get(f"{base}/{made[state]}").json()["completionStatus"] is None
        ]

        answer = me.get(f"{base}/pending-tasks?count=true")

        assert ids(answer) == [made[state] for state in reversed(unfinished)]
        assert answer["X-Total-Count"] == str(len(unfinished))
        assert answer["X-Deprecated"] == "true"

    def test_nothing_is_an_empty_array_not_204(self, me: Caller) -> None:
        answer = me.get("/beta/task-status/pending-tasks")

        assert (answer.status_code, answer.json()) == (200, [])

    def test_pages_and_old_runs_are_as_in_the_list(self, me: Caller) -> None:
        made = [run.pk.hex for run in runs(me, 3)]
        runs(me, 1, position=days_ago(91))
        path = "/v2024/task-status/pending-tasks"

        assert ids(me.get(f"{path}?limit=1&offset=1")) == made[1:2]
        assert ids(me.get(f"{path}?limit=0")) == []

    def test_filters_and_sorters_are_not_looked_at(self, me: Caller) -> None:
        made = [run.pk.hex for run in runs(me, 2)]

        found = ids(me.get("/v2024/task-status/pending-tasks?filters=((&sorters=name"))

        assert found == made

    @pytest.mark.parametrize("base", PENDING.values())
    def test_head_has_the_same_headers_and_no_body(self, me: Caller, base: str) -> None:
        runs(me, 3)
        path = f"{base}/pending-tasks?count=true&limit=1"

        head = me._client.head(path, headers=me.headers)

        assert (head.status_code, head.content) == (200, b"")
        assert (head["X-Total-Count"], head["X-Deprecated"]) == ("3", "true")
        assert head["Content-Length"] == me.get(path)["Content-Length"]

    def test_the_newest_version_has_none(self, me: Caller) -> None:
        assert me.get("/task-status/v1/pending-tasks").status_code == 404


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/V2025/Task-Status/", "/task-status/V1/", "/BETA/task-status"]
    )
    def test_letter_case_and_a_last_slash_do_not_matter(self, me: Caller, path: str) -> None:
        assert me.get(path).status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/v3/task-status",
            "/task-status",
            "/task-status/v2",
            "/v2026",
            "/v2026/other",
            "/beta/task-status/a/b",
        ],
    )
    def test_other_paths_below_are_404_in_the_dialects_shape(self, me: Caller, path: str) -> None:
        answer = me.get(path)

        assert answer.status_code == 404
        if not path.startswith("/v3"):
            assert answer.json()["detailCode"] == "404 Not found"

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "head"])
    def test_a_list_can_only_be_read(self, me: Caller, method: str) -> None:
        answer = getattr(me._client, method)(LIST, headers=me.headers)

        assert (answer.status_code, answer["Allow"]) == (405, "GET, OPTIONS")

    def test_options_names_the_methods(self, me: Caller) -> None:
        answer = me._client.options("/beta/task-status/pending-tasks", headers=me.headers)

        assert (answer.status_code, answer["Allow"]) == (204, "GET, HEAD, OPTIONS")

    def test_the_header_of_experimental_versions_is_ignored(self, me: Caller) -> None:
        assert me.get(LIST, x_sailpoint_experimental="true").status_code == 200
        assert me.get(f"{LIST}/{uuid.uuid4().hex}", x_sailpoint_experimental="x").status_code == 404


def test_a_dialect_can_be_switched_off(settings: Any) -> None:
    import importlib

    from backgroundtasks import urls

    names = lambda: {p.name for p in importlib.reload(urls).urlpatterns}  # noqa: E731
    assert "sailpoint-v1" in names()

    before = settings.TASKCENTER
    settings.TASKCENTER = {**before, "DIALECTS": ("enterprise_tester",)}
    try:
        assert not any(name.startswith("sailpoint") for name in names())
    finally:
        settings.TASKCENTER = before
        names()
