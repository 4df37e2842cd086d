"""`GET /accounts/{account_id}/core/v1/tasks`: which tasks, how many, in which order."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from backgroundtasks import queries
from backgroundtasks.api.astra import identities
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.astra import get_list, ids, listed, problem, tasks_path, valid
from tests.support.http import Caller, token

pytestmark = pytest.mark.django_db

UNKNOWN = "5d0c9a86-1f0e-4d1e-9f0b-0c3c7a0e6f11"
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def with_task(caller: Caller, state: State = State.QUEUED, **task: Any) -> TaskStatus:
    """Return a run whose task has these values."""
    stored = factories.TaskFactory.create(
        account=caller.actor.account, owner=caller.actor.user, task_type="Work", **task
    )
    resource = task.get("resource")
    return factories.run(
        state, owner=caller.actor, task=stored, resource_id=resource and resource["id"]
    )


class TestPage:
    def test_it_has_the_newest_first_in_the_vendors_envelope(self, caller: Caller) -> None:
        first, second = (factories.run(state, owner=caller.actor) for state in list(State)[:2])

        page = listed(caller)

        assert list(page) == ["type", "version", "items", "metadata"]
        assert (page["type"], page["version"]) == ("application/astra-tasks", "1.1")
        assert [task["id"] for task in page["items"]] == [str(second.pk), str(first.pk)]
        assert page["metadata"] == {}

    def test_every_state_is_as_the_schema_says(self, caller: Caller) -> None:
        for state in State:
            factories.run(state, owner=caller.actor)

        assert len(listed(caller)["items"]) == len(State)

    def test_without_tasks_it_is_empty(self, caller: Caller) -> None:
        assert listed(caller)["items"] == []

    def test_it_has_neither_foreign_nor_invisible_tasks(self, caller: Caller) -> None:
        factories.run()
        colleague = factories.actor(account=caller.actor.account)
        factories.run(owner=colleague, task_type="OwnersWork")
        shared = factories.run(owner=colleague)

        page = listed(caller, count="true")

        assert [task["id"] for task in page["items"]] == [str(shared.pk)]
        assert page["metadata"]["count"] == 1

    def test_an_unknown_account_and_a_foreign_one_look_the_same(self, caller: Caller) -> None:
        foreign = factories.AccountFactory.create().pk
        paths = [f"/accounts/{name}/core/v1/tasks" for name in (foreign, UNKNOWN, "mine", "%00")]

        bodies = [problem(caller.get(path), 2) for path in paths]

        for body in bodies:
            body.pop("correlationID")
        assert all(body == bodies[0] for body in bodies)

    def test_an_account_beside_the_default_one_can_be_read(self, caller: Caller) -> None:
        second = factories.AccountFactory.create()
        factories.MembershipFactory.create(account=second, user=caller.actor.user, is_default=False)
        run = factories.run(owner=factories.actor(account=second))

        page = caller.get(f"/accounts/{second.pk}/core/v1/tasks").json()

        assert [task["id"] for task in page["items"]] == [str(run.pk)]

    def test_the_account_header_of_other_dialects_changes_nothing(self, caller: Caller) -> None:
        other = factories.actor()

        answer = caller.get(tasks_path(caller), x_account_id=str(other.account.pk))

        assert answer.status_code == 200

    def test_an_operator_of_the_installation_reads_every_account(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)
        operator = Caller(factories.actor(is_superuser=True))

        page = operator.get(tasks_path(caller)).json()

        assert [task["id"] for task in page["items"]] == [str(run.pk)]

    def test_it_costs_the_same_queries_for_one_task_and_for_many(
        self, caller: Caller, django_assert_num_queries: Any
    ) -> None:
        factories.run(owner=caller.actor)
        listed(caller)

        with django_assert_num_queries(1):
            listed(caller)
        for _ in range(20):
            with_task(caller, labels={"team": "a"}, resource={"id": "1", "path": "/x/1"})
        with django_assert_num_queries(1):
            assert len(listed(caller)["items"]) == 21
        with django_assert_num_queries(2):
            listed(caller, count="true")

    def test_credentials_are_asked_for_first(self) -> None:
        problem(Client().get(f"/accounts/{UNKNOWN}/core/v1/tasks"), 3)
        problem(Caller(authorization="Bearer x").get("/accounts/mine/core/v1/tasks"), 4)

    @pytest.mark.parametrize(
        "accept",
        ["application/json", "application/astra-tasks+json", "application/astra-task+json"],
    )
    def test_it_is_served_as_json_and_as_its_own_types(self, caller: Caller, accept: str) -> None:
        answer = caller.get(tasks_path(caller), accept=accept)

        assert (answer.status_code, answer["Content-Type"]) == (200, accept)
        assert caller.get(tasks_path(caller), if_none_match=answer["ETag"]).status_code == 304

    def test_other_types_are_refused(self, caller: Caller) -> None:
        problem(caller.get(tasks_path(caller), accept="application/astra-app+json"), 32)

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_nothing_can_be_written(self, caller: Caller, method: str) -> None:
        answer = caller.call(method, tasks_path(caller))

        problem(answer, 69)
        assert "GET" in answer["Allow"]

    def test_other_resources_of_an_account_are_not_found(self, caller: Caller) -> None:
        account = caller.actor.account.pk

        for path in ("topology/v1/clouds", "core/v1/tasks/a/b", "core/v1/users"):
            problem(caller.get(f"/accounts/{account}/{path}"), 1)
            problem(caller.post(f"/accounts/{account}/{path}"), 1)
            problem(caller.get(f"/accounts/{UNKNOWN}/{path}"), 1)
            problem(Caller(authorization="Bearer x").get(f"/accounts/{account}/{path}"), 4)

    def test_paths_of_others_below_accounts_are_left_alone(self) -> None:
        assert "problem" not in Client().get("/accounts/login/")["Content-Type"]

    def test_a_read_only_token_is_enough(self, caller: Caller) -> None:
        bearer = token(caller.actor.user, scope="tasks:read")

        assert listed(Caller(caller.actor, authorization=f"Bearer {bearer}"))


class TestInclude:
    def test_items_are_arrays_in_the_order_asked_for(self, caller: Caller) -> None:
        factories.run(State.RUNNING, owner=caller.actor, processed=3, total=8)
        factories.run(State.FAILED, owner=caller.actor)

        items = listed(caller, include="percentDone,state,type")["items"]

        assert items == [
            [None, "failed", "application/astra-task"],
            [37.5, "running", "application/astra-task"],
        ]

    def test_one_name_gives_arrays_of_one_and_equal_rows_stay(self, caller: Caller) -> None:
        factories.run(owner=caller.actor)
        factories.run(owner=caller.actor)

        assert listed(caller, include="state")["items"] == [["notStarted"], ["notStarted"]]

    def test_nested_members_come_whole(self, caller: Caller) -> None:
        factories.run(owner=caller.actor)

        [[metadata]] = listed(caller, include="metadata")["items"]

        assert set(metadata) == {
            "labels",
            "creationTimestamp",
            "modificationTimestamp",
            "createdBy",
        }

    @pytest.mark.parametrize(
        "include",
        ["", "nope", "id,", ",id", "id state", "metadata.labels", "ID", ",".join(["id"] * 101)],
    )
    def test_what_is_no_list_of_members_is_refused(self, caller: Caller, include: str) -> None:
        [invalid] = problem(get_list(caller, include=include), 5)["invalidParams"]

        assert invalid["name"] == "include"


class TestPaging:
    def test_limit_leads_from_page_to_page(self, caller: Caller) -> None:
        runs = [str(factories.run(owner=caller.actor).pk) for _ in range(5)]

        seen: list[str] = []
        query: dict[str, str] = {"limit": "2"}
        while True:
            page = listed(caller, **query)
            seen += [task["id"] for task in page["items"]]
            if "continue" not in page["metadata"]:
                break
            assert re.fullmatch("[0-9A-Za-z]+", page["metadata"]["continue"])
            base64.b64decode(page["metadata"]["continue"], validate=True)
            query["continue"] = page["metadata"]["continue"]

        assert seen == runs[::-1]

    def test_a_full_page_that_is_the_last_one_leads_nowhere(self, caller: Caller) -> None:
        factories.run(owner=caller.actor)

        assert listed(caller, limit="1")["metadata"] == {}

    def test_a_list_is_cut_where_the_setting_says(self, caller: Caller, settings: Any) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "ASTRA_PAGE": 2}
        for _ in range(3):
            factories.run(owner=caller.actor)

        for query in ({}, {"limit": "3"}, {"limit": "9" * 5000}):
            page = listed(caller, **query)
            assert len(page["items"]) == 2
            assert "continue" in page["metadata"]

    def test_tasks_that_come_meanwhile_move_no_page(self, caller: Caller) -> None:
        runs = [str(factories.run(owner=caller.actor).pk) for _ in range(3)]
        first = listed(caller, limit="2")
        factories.run(owner=caller.actor)

        rest = ids(caller, limit="2", **{"continue": first["metadata"]["continue"]})

        assert rest == [runs[0]]

    def test_skip_passes_over_and_is_done_before_the_next_page(self, caller: Caller) -> None:
        runs = [str(factories.run(owner=caller.actor).pk) for _ in range(5)][::-1]

        page = listed(caller, skip="1", limit="2")
        token = page["metadata"]["continue"]

        assert [task["id"] for task in page["items"]] == runs[1:3]
        assert ids(caller, skip="1", limit="2", **{"continue": token}) == runs[3:]
        assert ids(caller, skip="9" * 30) == []

    def test_count_is_of_all_matches(self, caller: Caller) -> None:
        for state in (State.RUNNING, State.RUNNING, State.FAILED):
            factories.run(state, owner=caller.actor)

        page = listed(caller, "state eq 'running'", count="true", limit="1", skip="1")

        assert (page["metadata"]["count"], len(page["items"])) == (2, 1)

    @pytest.mark.parametrize(
        "name, value",
        [
            ("limit", "0"),
            ("limit", "-1"),
            ("limit", "+1"),
            ("limit", "1.5"),
            ("limit", ""),
            ("limit", "ten"),
            ("limit", "\u0661"),
            ("limit", "0" * 60_000),
            ("skip", "0"),
            ("skip", "x"),
            ("count", "false"),
            ("count", ""),
            ("continue", ""),
            ("continue", "nonsense"),
            ("continue", "bm9uc2Vuc2U="),
            ("continue", "W10="),
            ("continue", "\0"),
            ("continue", "A" * 60_000),
            ("orderBy", ""),
            ("orderBy", "state asc"),
            ("orderBy", "state  desc"),
            ("orderBy", "stateDetails"),
            ("orderBy", "password"),
            ("orderBy", "state,id"),
        ],
    )
    def test_a_value_that_does_not_fit_is_refused_by_name(
        self, caller: Caller, name: str, value: str
    ) -> None:
        [invalid] = problem(get_list(caller, **{name: value}), 5)["invalidParams"]

        assert invalid["name"] == name

    def test_a_forged_continuation_is_refused(self, caller: Caller) -> None:
        for _ in range(2):
            factories.run(owner=caller.actor)
        good = listed(caller, limit="1")["metadata"]["continue"]
        text = base64.b64decode(good).decode()
        forged = base64.b64encode(text.replace("null", "true").encode()).decode()

        assert ids(caller, **{"continue": good})
        problem(get_list(caller, **{"continue": forged}), 5)
        problem(get_list(caller, orderBy="state", **{"continue": good}), 5)

    def test_everything_that_is_wrong_is_named_at_once(self, caller: Caller) -> None:
        body = problem(get_list(caller, limit="0", skip="0", include="x"), 5)

        assert {one["name"] for one in body["invalidParams"]} == {"limit", "skip", "include"}

    def test_a_parameter_given_twice_is_refused(self, caller: Caller) -> None:
        answer = caller.get(f"{tasks_path(caller)}?limit=1&limit=2")

        assert problem(answer, 5)["invalidParams"] == [
            {"name": "limit", "reason": "it may be given once"}
        ]


class TestUnknownParameters:
    def test_they_are_named(self, caller: Caller) -> None:
        body = problem(get_list(caller, page="2", Limit="1", limit="1"), 6)

        assert [one["name"] for one in body["invalidParams"]] == ["page", "Limit"]

    @pytest.mark.parametrize("name", ["skip", "orderBy", "count", "continue"])
    def test_a_setting_refuses_what_is_documented_for_other_lists_only(
        self, caller: Caller, settings: Any, name: str
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "ASTRA_STRICT": True}

        [invalid] = problem(get_list(caller, **{name: "1"}), 6)["invalidParams"]

        assert invalid["name"] == name
        assert listed(caller, "state eq 'running'", limit="1")["items"] == []

    def test_a_thousand_and_one_parameters_are_an_answer(self, caller: Caller) -> None:
        query = "&".join(f"p{n}=1" for n in range(2000))

        problem(caller.get(f"{tasks_path(caller)}?{query}"), 5)

    def test_sixty_kilobytes_of_names_are_an_answer(self, caller: Caller) -> None:
        query = "&".join(f"{'p' * 600}{n}=1" for n in range(100))

        body = problem(caller.get(f"{tasks_path(caller)}?{query}"), 6)

        assert 0 < len(body["invalidParams"]) <= 20


class TestOrder:
    ORDERS = [
        "id",
        "name",
        "summary",
        "service",
        "parentTaskID",
        "state",
        "orderHint",
        "percentDone",
        "startTime",
        "endTime",
        "cancelTime",
        "metadata.creationTimestamp",
        "metadata.modificationTimestamp",
    ]

    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize("way", ["", " desc"])
    def test_pages_follow_each_other_in_the_order_of_the_member(
        self, caller: Caller, order: str, way: str
    ) -> None:
        parent = factories.run(owner=caller.actor)
        for n, state in enumerate([*State, State.RUNNING, State.CANCELLED]):
            values: dict[str, Any] = {}
            if n % 3 == 1:
                values = {"parent": parent, "child_key": str(n), "child_number": n % 2}
            factories.run(
                state,
                owner=caller.actor,
                processed=n % 4,
                total=4 if n % 2 else 0,
                queue="side~?>" if n % 3 else "default",
                task=factories.TaskFactory.create(
                    account=caller.actor.account, title="?>~ title" * (n % 3)
                ),
                task_type="SideWork" if n % 4 == 2 else "Work",
                modified_at=DAY + timedelta(minutes=n % 5),
                **values,
            )
        member = order.partition(".")[0]

        rows: list[Any] = []
        query = {"orderBy": order + way, "include": f"id,{member}", "limit": "3"}
        while True:
            page = listed(caller, **query)
            rows += page["items"]
            if "continue" not in page["metadata"]:
                break
            query["continue"] = page["metadata"]["continue"]

        values_shown = [
            row[1] if member == order or row[1] is None else row[1][order.partition(".")[2]]
            for row in rows
        ]
        keys = [
            (value is not None, value or 0) if value is None else (True, value)
            for value in values_shown
        ]
        assert len(rows) == len({row[0] for row in rows}) == TaskStatus.objects.count()
        assert keys == sorted(keys, reverse=bool(way))


class TestFilter:
    def test_states_are_compared_in_the_vendors_words(self, caller: Caller) -> None:
        runs = {state: str(factories.run(state, owner=caller.actor).pk) for state in State}

        assert set(ids(caller, "state eq 'notStarted'")) == {
            runs[State.SCHEDULED],
            runs[State.QUEUED],
        }
        assert set(ids(caller, "state eq 'failed'")) == {runs[State.FAILED], runs[State.LOST]}
        assert set(ids(caller, "state in 'ausing'")) == {runs[State.PAUSING]}
        assert set(ids(caller, "state gte 'running'")) == {
            runs[State.RUNNING],
            runs[State.WAITING],
        }
        assert ids(caller, "state eq 'succeeded'") == []
        assert ids(caller, "state eq 'running',state eq 'failed'") == []

    @pytest.mark.parametrize(
        "test, found",
        [
            ("name eq 'work'", ["work"]),
            ("name eq 'Work'", []),
            ("name in 'side'", ["side"]),
            ("name lt 'side.work'", ["named"]),
            ("summary eq 'Month close'", ["titled"]),
            ("summary eq 'Work'", ["work", "short"]),
            ("summary in 'ork'", ["work", "short", "side"]),
            ("summary in 'month'", []),
            ("service eq 'side'", ["side"]),
            ("service in 'fau'", ["work", "short", "titled", "named"]),
            ("service gt 'default'", ["side"]),
            ("type eq 'application/astra-task'", ["work", "short", "titled", "side", "named"]),
            ("type eq 'x'", []),
            ("version lte '1.0'", []),
        ],
    )
    def test_texts_are_compared_with_their_letter_case(
        self, caller: Caller, test: str, found: list[str]
    ) -> None:
        def run(title: str = "", **values: Any) -> str:
            stored = factories.TaskFactory.create(account=caller.actor.account, title=title)
            return str(factories.run(owner=caller.actor, task=stored, **values).pk)

        runs = {
            "work": run(),
            "short": run("ab"),
            "titled": run("Month close"),
            "side": run(task_type="SideWork", queue="side"),
            "named": run("Nothing", task_type="Noop"),
        }
        if test == "name eq 'work'":
            found = ["work", "short", "titled"]

        assert set(ids(caller, test)) == {runs[name] for name in found}

    @pytest.mark.parametrize(
        "test, count",
        [
            ("percentDone eq '33.33'", 1),
            ("percentDone gte '50'", 2),
            ("percentDone eq '100'", 1),
            ("percentDone lt '33.333'", 2),
            ("percentDone gt '-1'", 4),
            ("orderHint eq '1'", 1),
            ("orderHint lt '1.5'", 2),
            ("orderHint eq '1.5'", 0),
            ("orderHint gte '0'", 2),
            ("orderHint lt '999999999999999'", 2),
        ],
    )
    def test_numbers_are_compared_as_numbers(self, caller: Caller, test: str, count: int) -> None:
        parent = factories.run(State.SUCCEEDED, owner=caller.actor)
        for n, (processed, total) in enumerate([(1, 3), (0, 8)]):
            factories.run(
                owner=caller.actor,
                processed=processed,
                total=total,
                parent=parent,
                child_key=str(n),
                child_number=n,
            )
        factories.run(State.RUNNING, owner=caller.actor, processed=1, total=2)
        factories.run(State.RUNNING, owner=caller.actor)

        assert len(ids(caller, test)) == count

    @pytest.mark.parametrize(
        "test, count",
        [
            ("startTime eq '2026-03-01T00:00:00Z'", 1),
            ("startTime gt '2026-03-01T00:00:00.000000Z'", 1),
            ("startTime gte '2026-03-01T00:00:00,000000000Z'", 2),
            ("endTime lt '2026-03-01T00:00:01Z'", 0),
            ("endTime lte '2026-03-01T00:00:01Z'", 1),
            ("cancelTime gte '2026-03-01T00:00:00Z'", 1),
            ("metadata.creationTimestamp lt '2026-03-01T00:00:00Z'", 1),
            ("metadata.modificationTimestamp eq '2026-03-01T00:00:00.5Z'", 1),
            ("startTime lt '0001-01-01T00:00:00Z'", 0),
            ("startTime lt '9999-12-31T23:59:59.999999999Z'", 2),
        ],
    )
    def test_times_are_compared_as_times(self, caller: Caller, test: str, count: int) -> None:
        second = timedelta(seconds=1)
        factories.run(
            State.SUCCEEDED,
            owner=caller.actor,
            queued_at=DAY - second,
            started_at=DAY,
            finished_at=DAY + second,
            modified_at=DAY + second / 2,
        )
        factories.run(
            State.CANCELLED,
            owner=caller.actor,
            started_at=DAY + second,
            finished_at=DAY + 2 * second,
        )
        factories.run(owner=caller.actor)

        assert len(ids(caller, test)) == count

    def test_identifiers_are_found_as_they_are_shown(self, caller: Caller) -> None:
        parent = with_task(caller, resource={"id": "17", "path": ""})
        child = factories.run(
            owner=factories.actor(account=caller.actor.account),
            parent=parent,
            child_key="a",
            child_number=0,
        )
        own = with_task(caller, resource={"id": UNKNOWN, "path": ""})
        TaskStatus.objects.filter(pk=own.pk).update(owner=None)
        page = {task["id"]: task for task in listed(caller)["items"]}
        user = page[str(parent.pk)]["userID"]

        assert ids(caller, f"id eq '{child.pk}'") == [str(child.pk)]
        assert ids(caller, f"parentTaskID eq '{parent.pk}'") == [str(child.pk)]
        assert ids(caller, f"userID eq '{user}'") == [str(parent.pk)]
        assert ids(caller, f"metadata.createdBy eq '{user}'") == [str(parent.pk)]
        assert ids(caller, f"metadata.createdBy eq '{identities.NIL}'") == [str(own.pk)]
        assert ids(caller, f"userID eq '{identities.NIL}'") == []
        assert ids(caller, f"userID eq '{UNKNOWN}'") == []
        for run in (parent, child, own):
            resource = page[str(run.pk)]["resourceID"]
            assert ids(caller, f"resourceID eq '{resource}'") == [str(run.pk)]

    def test_labels_are_found_by_name_and_by_value(self, caller: Caller) -> None:
        finance = with_task(caller, labels={"team": "finance", "stage": "Test"})
        sales = with_task(caller, labels={"team": "sales"})
        odd = with_task(caller, labels={'we"ird.[0]': "x{y}", "1": "one"})
        with_task(caller)

        def found(*tests: str) -> set[str]:
            return set(ids(caller, *tests))

        both, first = {str(finance.pk), str(sales.pk)}, {str(finance.pk)}
        assert found("metadata.labels[*].name eq 'team'") == both
        assert found("metadata.labels[*].value eq 'finance'") == first
        assert found("metadata.labels[*].name eq 'tea'") == set()
        assert found("metadata.labels[*].name in 'tea'") == both
        assert found("metadata.labels[*].value in 'test'") == set()
        assert found("metadata.labels[*].value in 'es'") == both
        assert found("metadata.labels[*].value lt 'finance'") == first
        assert found("metadata.labels[*].name eq 'we\"ird.[0]'") == {str(odd.pk)}
        assert found("metadata.labels[*].name eq '1',metadata.labels[*].value in '{y}'") == {
            str(odd.pk)
        }

    def test_two_conditions_on_labels_may_be_met_by_two_labels(self, caller: Caller) -> None:
        run = with_task(caller, labels={"team": "sales", "stage": "test"})

        tests = "metadata.labels[*].name eq 'team',metadata.labels[*].value eq 'test'"

        assert ids(caller, tests) == [str(run.pk)]

    def test_a_type_without_a_handler_is_not_found_by_its_name(self, caller: Caller) -> None:
        caller.actor.account.memberships.update(role="admin")
        administrator = Caller(queries.actor_of(caller.actor.user))
        run = factories.run(owner=caller.actor, task_type="LongGone")

        assert listed(administrator, include="id,name")["items"] == [[str(run.pk), "long.gone"]]
        assert ids(administrator, "name eq 'long.gone'") == []

    def test_conditions_come_in_one_parameter_or_in_several(self, caller: Caller) -> None:
        wanted = factories.run(State.RUNNING, owner=caller.actor, queue="side")
        factories.run(State.RUNNING, owner=caller.actor)
        factories.run(State.FAILED, owner=caller.actor, queue="side")

        assert ids(caller, "state eq 'running',service eq 'side'") == [str(wanted.pk)]
        assert ids(caller, "state eq 'running'", "service eq 'side'") == [str(wanted.pk)]
        assert ids(caller, "state%20eq%20'running'", "service eq 'side'") == [str(wanted.pk)]

    def test_a_value_may_hold_a_comma(self, caller: Caller) -> None:
        run = with_task(caller, title="Rent, heating")
        with_task(caller, title="Rent")

        assert ids(caller, "summary eq 'Rent, heating',state in 'not'") == [str(run.pk)]

    def test_what_a_real_client_sends_is_understood(self, caller: Caller) -> None:
        factories.run(State.RUNNING, owner=caller.actor, queue="reports")

        answer = caller._client.generic(
            "GET",
            f"{tasks_path(caller)}?include=id%2Cstate&limit=2&filter=state+eq+%27running%27"
            "&filter=service+eq+%27reports%27",
            b"{}",
            content_type="application/json",
            headers={**caller.headers, "accept": "*/*"},
        )

        assert [item[1] for item in answer.json()["items"]] == ["running"]

    @pytest.mark.parametrize(
        "test, said",
        [
            ("", "at position 1 there should be the name of a member"),
            ("state", "at position 6 there should be one blank"),
            ("state  eq 'x'", "at position 7 there should be one of eq, lt, gt, lte, gte, in"),
            ("state EQ 'x'", "at position 7 there should be one of eq, lt, gt, lte, gte, in"),
            ("state ne 'x'", "at position 7 there should be one of eq, lt, gt, lte, gte, in"),
            ("state eq x", "at position 10 there should be a quote (') before the value"),
            ("state eq ''", "at position 11 there should be a value"),
            ("state eq 'x", "at position 12 there should be a quote (') after the value"),
            ("state eq 'x\0'", "at position 12 there should be a quote (') after the value"),
            ("state eq 'it''s'", "at position 14 there should be a comma or the end"),
            ("state eq 'x' and id eq 'y'", "at position 13 there should be a comma or the end"),
            ("state eq 'x',", "at position 14 there should be the name of a member"),
            ("state eq 'x', id eq 'y'", "at position 14 there should be the name of a member"),
            ("(state eq 'x')", "at position 1 there should be the name of a member"),
            ("metadata.labels[0].name eq 'x'", "at position 16 there should be one blank"),
            ("color eq 'x'", "at position 1: there is no member color"),
            ("stateDetails eq 'x'", "at position 1: cannot be filtered by stateDetails"),
            ("id in 'x'", "at position 1: id takes eq"),
            ("percentDone gt 'abc'", "the value at position 1 must be a number"),
            ("percentDone gt '1e400'", "the value at position 1 must be a number"),
            ("startTime gt '2026-03-01'", "the value at position 1 must be a time in UTC"),
            ("startTime gt '2026-02-30T00:00:00Z'", "the value at position 1 must be a time"),
            ("startTime gt '0000-01-01T00:00:00Z'", "the value at position 1 must be a time"),
            ("id eq '5D0C9A86-1F0E-4D1E-9F0B-0C3C7A0E6F11'", "must be a UUID of version 4 or 5"),
            ("id eq '5d0c9a86-1f0e-1d1e-9f0b-0c3c7a0e6f11'", "must be a UUID of version 4 or 5"),
            ("state eq 'x',percentDone eq 'y'", "the value at position 14 must be a number"),
        ],
    )
    def test_what_is_not_understood_is_named_with_its_position(
        self, caller: Caller, test: str, said: str
    ) -> None:
        [invalid] = problem(get_list(caller, test), 5)["invalidParams"]

        assert invalid["name"] == "filter"
        assert said in invalid["reason"]

    def test_an_offset_is_no_time(self, caller: Caller) -> None:
        answer = get_list(caller, "startTime gt '2026-03-01T00:00:00+00:00'")

        assert "after the value" in problem(answer, 5)["invalidParams"][0]["reason"]

    @pytest.mark.parametrize(
        "test",
        [
            "(" * 60_000,
            "a" * 60_000,
            "a." * 30_000,
            "state eq '" + "x" * 60_000 + "'",
            "summary in '" + "x" * 60_000 + "'",
            ",".join(["state eq 'running'"] * 3_000),
            "state eq 'running'," * 51 + "state eq 'running'",
            "'" * 60_000,
            "\0" * 1000,
            "\ud7ff" * 1000,
        ],
    )
    def test_sixty_kilobytes_are_an_answer(self, caller: Caller, test: str) -> None:
        problem(get_list(caller, test), 5)

    def test_fifty_conditions_with_long_values_are_answered(self, caller: Caller) -> None:
        factories.run(owner=caller.actor)
        test = f"summary in '{'x' * 1000}'"

        assert ids(caller, ",".join([test] * 50)) == []
        problem(get_list(caller, *[test] * 51), 5)

    def test_bytes_that_are_no_utf8_are_an_answer(self, caller: Caller) -> None:
        problem(caller.get(f"{tasks_path(caller)}?filter=%ff%fe"), 5)


def test_a_task_that_is_seen_in_the_list_is_the_one_that_is_seen_alone(caller: Caller) -> None:
    with_task(caller, labels={"a": "b"}, resource={"id": "1", "path": "/x/1"}, title="Title")

    [task] = listed(caller)["items"]

    assert valid("task", caller.get(f"{tasks_path(caller)}/{task['id']}").json()) == task
