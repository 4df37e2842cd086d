"""`GET /api/backgroundtasks`: filters, pages that follow each other by key, and their price."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.db.models import Q

from backgroundtasks import clock, queries
from backgroundtasks.api.enterprise_tester import run_list
from backgroundtasks.models import Message
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db

PATH = "/api/backgroundtasks"


def listed(caller: Caller, query: str = "") -> Any:
    answer = caller.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def filtered(caller: Caller, text: str) -> list[str]:
    return [item["Id"] for item in listed(caller, f"$filter={quote(text)}")["Items"]]


def public(run: Any) -> str:
    return f"{run.task_type.lower()}-{run.pk}"


class TestItems:
    def test_are_the_runs_that_the_caller_may_see_newest_first(self, caller: Caller) -> None:
        old = factories.run(owner=caller.actor)
        colleague = factories.actor(account=caller.actor.account, username="ann")
        new = factories.run(State.FAILED, owner=colleague)
        factories.run(owner=colleague, task_type="OwnersWork")
        factories.run()

        page = listed(caller)

        assert list(page) == ["Skip", "Top", "Items"]
        assert [item["Id"] for item in page["Items"]] == [public(new), public(old)]
        assert page["Items"][0]["Owner"] == "ann"
        assert page["Items"][0]["Type"] == "Work"
        assert page["Items"][0] | caller.get(page["Items"][0]["Self"]).json() == page["Items"][0]

    def test_a_page_costs_one_query(self, caller: Caller, django_assert_num_queries: Any) -> None:
        parent = factories.run(owner=caller.actor)
        for n in range(30):
            factories.run(owner=caller.actor, parent=parent, child_key=str(n), labels={"n": str(n)})
        listed(caller)

        with django_assert_num_queries(1):
            assert len(listed(caller)["Items"]) == 25


class TestFilter:
    def test_by_type_state_owner_text_and_time(self, caller: Caller) -> None:
        ann = factories.actor(account=caller.actor.account, username="ann")
        day = timedelta(days=1)
        now = clock.now()
        a = factories.run(State.FAILED, owner=caller.actor, error="Disk full", queued_at=now - day)
        b = factories.run(State.RUNNING, owner=ann, text="Optimizing", queued_at=now)
        c = factories.run(State.QUEUED, owner=ann, task_type="Urgent", queued_at=now)
        since = quote((now - day / 2).isoformat().replace("+00:00", "Z")).replace("%3A", ":")

        assert filtered(caller, "Type eq 'Urgent'") == [public(c)]
        assert filtered(caller, "State eq 'failed'") == [public(a)]
        assert filtered(caller, "Owner eq 'ann'") == [public(c), public(b)]
        assert filtered(caller, "substringof('optim', Message)") == [public(b)]
        assert filtered(caller, "substringof('DISK', Error) eq true") == [public(a)]
        assert filtered(caller, f"QueuedAt gt {since}") == [public(c), public(b)]
        assert filtered(caller, f"QueuedAt lt datetime'{since}'") == [public(a)]
        assert filtered(caller, "FinishedAt ne null") == [public(a)]
        assert filtered(caller, "not (Owner eq 'ann') or State eq 'running'") == [
            public(b),
            public(a),
        ]

    def test_by_labels(self, caller: Caller) -> None:
        def labelled(**labels: str) -> str:
            return public(factories.run(owner=caller.actor, labels=labels))

        core = labelled(team="core", **{"7": "x", "cost centre": "it's"})
        web, bare = labelled(team="web", **{'a"b': "%s"}), labelled()

        assert filtered(caller, "Labels/team eq 'core'") == [core]
        assert filtered(caller, "labels/team eq 'core' and State eq 'queued'") == [core]
        assert filtered(caller, "Labels/Team eq 'core'") == []
        assert filtered(caller, "Labels/team ne 'core'") == [bare, web]
        assert filtered(caller, "Labels/team eq null") == [bare]
        assert filtered(caller, "Labels/team ne null") == [web, core]
        assert filtered(caller, "Labels/7 eq 'x'") == [core]
        assert filtered(caller, "Labels/'cost centre' eq 'it''s'") == [core]
        assert filtered(caller, "Labels/'a\"b' eq '%s'") == [web]
        counted = listed(caller, "$inlinecount=allpages&$filter=Labels/team ne null")
        assert counted["Total"] == 2

    @pytest.mark.parametrize(
        "query",
        [
            "$filter=Nope eq 1",
            "$filter=Labels eq 'x'",
            "$filter=Labels/ eq 'x'",
            "$filter=Labels/team eq 7",
            "$filter=Labels/team gt 'a'",
            "$filter=Labels/'team eq 'a'",
            "$filter=Type/team eq 'a'",
            "$filter=startswith(Labels/team, 'a')",
            "$orderby=Labels/team",
            "$filter=State",
            "$filter=State eq",
            "$filter=State eq 'a",
            "$filter=QueuedAt gt 'soon'",
            "$filter=substringof('a', QueuedAt)",
            "$filter=substringof(State, Type)",
            "$filter=" + "(" * 30 + "State eq 'a'" + ")" * 30,
            "$filter=" + " or ".join(["State eq 'a'"] * 60),
            "$filter=" + "x" * 3000,
            "$filter=State eq 'a%00'",
            "$filter=%00",
            "$orderby=State",
            "$orderby=QueuedAt up",
            "$top=-1",
            "$top=x",
            "$top=",
            "$top=1001",
            "$top=1e3",
            "$take=1001",
            "$skip=10001",
            "$skip=-1",
            "$skip=99999999999999999999999",
            "$inlinecount=some",
            "$skiptoken=x",
            "$skiptoken=",
            "$skiptoken=99999999999999999999.00000000000000000000000000000000",
        ],
    )
    def test_what_does_not_fit_is_403_in_shape(self, caller: Caller, query: str) -> None:
        answer = caller.get(f"{PATH}?{query}")

        assert (answer.status_code, list(answer.json())) == (403, ["Message"])


class TestPages:
    @pytest.mark.parametrize("order", ["", "$orderby=QueuedAt desc", "$orderby=QueuedAt asc"])
    def test_follow_each_other_by_their_links_and_miss_nothing(
        self, caller: Caller, order: str
    ) -> None:
        runs = [public(factories.run(owner=caller.actor, position=n // 3)) for n in range(25)]
        seen: list[str] = []

        url = f"{PATH}?$top=4&{order}"
        while url:
            page = caller.get(url).json()
            seen += [item["Id"] for item in page["Items"]]
            url = page.get("NextLink", "")

        assert sorted(seen) == sorted(runs)
        assert len(seen) == 25

    def test_stay_in_place_while_new_runs_come(self, caller: Caller) -> None:
        runs = [public(factories.run(owner=caller.actor)) for _ in range(4)]
        first = listed(caller, "$top=2")
        factories.run(owner=caller.actor)

        second = caller.get(first["NextLink"]).json()

        assert [item["Id"] for item in second["Items"]] == [runs[1], runs[0]]
        assert "NextLink" not in second

    def test_may_skip_and_take_within_bounds(self, caller: Caller) -> None:
        runs = [public(factories.run(owner=caller.actor)) for _ in range(5)]

        page = listed(caller, "$skip=1&$take=2")

        assert (page["Skip"], page["Top"]) == (1, 2)
        assert [item["Id"] for item in page["Items"]] == [runs[3], runs[2]]
        assert listed(caller, "$top=0")["Items"] == []

    def test_are_counted_only_on_request_and_up_to_a_bound(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(5):
            factories.run(owner=caller.actor)

        assert "Total" not in listed(caller)
        assert listed(caller, "$inlinecount=allpages&$top=2")["Total"] == 5
        monkeypatch.setattr(run_list, "COUNTED", 3)
        bounded = listed(caller, "$inlinecount=allpages&$top=2")
        assert (bounded["Total"], bounded["TotalIsMinimum"]) == (3, True)

    def test_begin_at_their_place_in_the_index(self, caller: Caller) -> None:
        """The plan of a deep page begins where the page does: it does not count its way."""
        run = factories.run(owner=caller.actor)
        runs = run_list._behind(
            _Request(f"{run.position}.{run.pk.hex}"),
            queries.visible_runs(caller.actor),
            newest_first=True,
        )
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_bitmapscan = off")

        plan = run_list._ordered(runs, newest_first=True)[:26].explain()

        assert "run_list" in plan
        assert re.search(r'position<\?|Index Cond:.*"position" <=', plan), plan

    @pytest.mark.parametrize("state", ["queued", "scheduled", "running", "failed"])
    def test_of_one_state_walk_its_index_and_not_the_account(
        self, caller: Caller, state: str
    ) -> None:
        if connection.vendor == "postgresql":
            pytest.skip("PostgreSQL knows by its statistics which one is shorter")

        plan = run_list._visible(caller.actor, Q(Q(state=state))).explain()

        assert re.search(r"INDEX run_(claim|due|lease|list_ended)", plan), plan


class _Request:
    def __init__(self, token: str) -> None:
        self.query_params = {"$skiptoken": token}


class TestMessages:
    def test_are_shown_oldest_first_in_pages(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)
        for n in range(3):
            Message.objects.create(
                run=run, level="info", key=f"k{n}", text=f"t{n}", parameters={"n": n}, attempt=1
            )

        first = caller.get(f"/api/backgroundtask/{public(run)}/messages?$top=2").json()
        second = caller.get(first["NextLink"]).json()

        assert list(first["Items"][0]) == [
            "Id",
            "Level",
            "Key",
            "Text",
            "Parameters",
            "Attempt",
            "CreatedAt",
        ]
        assert [item["Key"] for item in first["Items"] + second["Items"]] == ["k0", "k1", "k2"]
        assert "NextLink" not in second

    def test_of_a_foreign_run_are_404(self, caller: Caller) -> None:
        foreign = factories.run()

        answer = caller.get(f"/api/backgroundtask/{public(foreign)}/messages")

        assert (answer.status_code, list(answer.json())) == (404, ["Message"])

    @pytest.mark.parametrize("token", ["x", "-1", "9" * 30])
    def test_a_token_that_is_none_is_403(self, caller: Caller, token: str) -> None:
        run = factories.run(owner=caller.actor)

        answer = caller.get(f"/api/backgroundtask/{public(run)}/messages?$skiptoken={token}")

        assert answer.status_code == 403
