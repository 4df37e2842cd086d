"""Runs that a run's handler started: a link to their parent, and the list of them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from backgroundtasks import queries
from backgroundtasks.api.enterprise_tester import run_list
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def parent(caller: Caller) -> TaskStatus:
    return factories.run(State.WAITING, owner=caller.actor, task_type="AgainWork")


def child_of(parent: TaskStatus, caller: Caller, key: str, **values: Any) -> TaskStatus:
    return factories.run(
        values.pop("state", State.QUEUED),
        owner=values.pop("owner", caller.actor),
        parent=parent,
        child_key=key,
        **values,
    )


def children(caller: Caller, parent: TaskStatus, query: str = "") -> Any:
    answer = caller.get(f"/api/backgroundtask/againwork-{parent.pk}/children?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(page: Any) -> list[str]:
    return [item["Id"].partition("-")[2] for item in page["Items"]]


@pytest.mark.usefixtures("through")
class TestParent:
    def test_is_named_and_linked_by_its_child(self, caller: Caller, parent: TaskStatus) -> None:
        child = child_of(parent, caller, "a")

        body = caller.get(f"/api/backgroundtask/work-{child.pk}").json()

        assert body["ParentId"] == f"againwork-{parent.pk}"
        assert caller.get(body["Parent"]).json()["Id"] == body["ParentId"]

    def test_is_not_named_by_a_run_without_one(self, caller: Caller, parent: TaskStatus) -> None:
        body = caller.get(f"/api/backgroundtask/againwork-{parent.pk}").json()

        assert not {"ParentId", "Parent", "Labels"} & set(body)

    def test_is_not_named_once_it_is_flushed(self, caller: Caller, parent: TaskStatus) -> None:
        child = child_of(parent, caller, "a")
        TaskStatus.objects.filter(pk=parent.pk).delete()

        body = caller.get(f"/api/backgroundtask/work-{child.pk}").json()

        assert "ParentId" not in body


class TestChildren:
    def test_are_listed_in_the_order_they_were_started(
        self, caller: Caller, parent: TaskStatus
    ) -> None:
        first, second = child_of(parent, caller, "z"), child_of(parent, caller, "a")
        factories.run(owner=caller.actor)

        page = children(caller, parent)

        assert ids(page) == [str(first.pk), str(second.pk)]
        alone = caller.get(page["Items"][0]["Self"]).json()
        assert page["Items"][0] | alone == page["Items"][0]
        assert page["Items"][0]["ParentId"] == f"againwork-{parent.pk}"

    def test_are_filtered_sorted_counted_and_paged_like_every_list(
        self, caller: Caller, parent: TaskStatus
    ) -> None:
        a, b, c = (child_of(parent, caller, key) for key in "abc")
        failed = child_of(parent, caller, "d", state=State.FAILED)

        bad = quote("State eq 'failed'")

        assert ids(children(caller, parent, f"$filter={bad}")) == [str(failed.pk)]
        assert ids(children(caller, parent, "$orderby=QueuedAt desc&$top=1")) == [str(failed.pk)]
        page = children(caller, parent, "$top=2&$inlinecount=allpages")
        assert (page["Total"], ids(page)) == (4, [str(a.pk), str(b.pk)])
        assert ids(caller.get(page["NextLink"]).json()) == [str(c.pk), str(failed.pk)]

    def test_that_the_caller_may_not_see_are_left_out(
        self, caller: Caller, parent: TaskStatus
    ) -> None:
        colleague = factories.actor(account=caller.actor.account)
        seen = child_of(parent, caller, "a", owner=colleague)
        child_of(parent, caller, "b", owner=colleague, task_type="OwnersWork")

        assert ids(children(caller, parent)) == [str(seen.pk)]

    def test_of_a_foreign_or_unknown_run_are_404(self, caller: Caller) -> None:
        foreign = factories.run()

        for public in (f"work-{foreign.pk}", "work-00000000-0000-4000-8000-000000000000"):
            answer = caller.get(f"/api/backgroundtask/{public}/children")
            assert (answer.status_code, list(answer.json())) == (404, ["Message"])

    def test_cost_two_queries_however_many_there_are(
        self, caller: Caller, parent: TaskStatus, django_assert_num_queries: Any
    ) -> None:
        for n in range(30):
            child_of(parent, caller, str(n))
        children(caller, parent)

        with django_assert_num_queries(2):
            assert len(children(caller, parent)["Items"]) == 25

    @pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL chooses by its statistics"
    )
    def test_are_found_by_their_parent_and_not_along_the_account(
        self, caller: Caller, parent: TaskStatus
    ) -> None:
        runs = queries.visible_children(caller.actor, parent.pk)

        plan = run_list._ordered(runs, newest_first=False)[:26].explain()

        assert re.search(r"INDEX (one_child_per_key|run_children) \(parent_id=\?", plan), plan
