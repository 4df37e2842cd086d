"""`GET /accounts/{account_id}/core/v1/tasks/{task_id}`: how a run is shown, and who may see it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import pytest
from django.test import Client

from backgroundtasks import operations
from backgroundtasks.api.astra import identities, vocabulary
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import ARROWS, FINAL, GOOD, State
from tests.support import factories
from tests.support.astra import SHORTCUT, path_of, problem, shown, valid
from tests.support.http import Caller, basic, token

pytestmark = pytest.mark.django_db

UNKNOWN = "5d0c9a86-1f0e-4d1e-9f0b-0c3c7a0e6f11"
QUEUED_AT = datetime(2026, 3, 4, 8, 15, 30, 120045, tzinfo=UTC)
STARTED_AT = datetime(2026, 3, 4, 8, 15, 31, 990123, tzinfo=UTC)
FINISHED_AT = datetime(2026, 3, 4, 8, 16, 2, tzinfo=UTC)


def made(caller: Caller, state: State, *, task: dict[str, Any] | None = None, **run: Any) -> Any:
    """Return a run whose task has these values."""
    values = {"task_type": "Work", **(task or {})}
    stored = factories.TaskFactory.create(
        account=caller.actor.account, owner=caller.actor.user, **values
    )
    return factories.run(
        state, owner=caller.actor, task=stored, task_type=values["task_type"], **run
    )


class TestMembers:
    def test_a_running_task_has_all_that_is_known_in_the_vendors_order(
        self, through: str, caller: Caller
    ) -> None:
        parent = factories.run(State.WAITING, owner=caller.actor)
        resource = {
            "id": "9e1d2c3b-4a5f-4678-b901-23cd45ef6789",
            "name": "Shop",
            "kind": "project",
            "path": "/api/project/9e1d2c3b-4a5f-4678-b901-23cd45ef6789",
        }
        run = made(
            caller,
            State.RUNNING,
            task={"title": "Order export", "labels": {"team": "finance"}, "resource": resource},
            processed=3,
            total=8,
            parent=parent,
            child_key="second",
            child_number=1,
            queued_at=QUEUED_AT,
            started_at=STARTED_AT,
            modified_at=FINISHED_AT,
        )

        answer = caller.get(path_of(run))

        user = identities.of_user(caller.actor.user.pk)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"
        body = valid("task", answer.json())
        transitions = body.pop("stateTransitions")
        assert list(body.items()) == [
            ("type", "application/astra-task"),
            ("version", "1.1"),
            ("id", str(run.pk)),
            ("name", "work"),
            ("summary", "Order export"),
            ("description", "Do what the parameters order, once"),
            ("service", "default"),
            ("parentTaskID", str(parent.pk)),
            ("userID", user),
            ("resourceID", resource["id"]),
            ("resourceURI", resource["path"]),
            ("resourceCollectionURI", [f"http://testserver{resource['path']}"]),
            ("state", "running"),
            ("stateDetails", []),
            ("orderHint", 1),
            ("percentDone", 37.5),
            ("startTime", "2026-03-04T08:15:31.990123Z"),
            (
                "metadata",
                {
                    "labels": [{"name": "team", "value": "finance"}],
                    "creationTimestamp": "2026-03-04T08:15:30.120045Z",
                    "modificationTimestamp": "2026-03-04T08:16:02.000000Z",
                    "createdBy": user,
                },
            ),
        ]
        assert transitions == vocabulary.TRANSITIONS

    @pytest.mark.parametrize("state", list(State))
    def test_every_state_is_as_the_schema_says(
        self, through: str, caller: Caller, state: State
    ) -> None:
        run = factories.run(state, owner=caller.actor)

        body = shown(caller, run)

        assert body["state"] == vocabulary.STATES[state]
        assert ("endTime" in body) == (state in FINAL)
        assert ("cancelTime" in body) == (state in {State.CANCELLED, State.SKIPPED})
        assert ("percentDone" in body) == (state in GOOD)

    def test_a_task_of_nobody_says_so(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)
        TaskStatus.objects.update(owner=None)

        body = shown(caller, run)

        assert "userID" not in body
        assert body["metadata"]["createdBy"] == "00000000-0000-0000-0000-000000000000"

    @pytest.mark.parametrize(
        "task_type, name",
        [
            ("AutomatedTestImport", "automated.test.import"),
            ("S3Copy", "s.three.copy"),
            ("bulk_action", "bulk.action"),
            ("HTTPServer", "http.server"),
            ("Größe", "gro.e"),
            ("X", "task.x"),
            ("日本", "task"),
            ("A1" * 50, ("a.one." * 50)[:127].rstrip(".")),
        ],
    )
    def test_any_type_has_a_name(self, caller: Caller, task_type: str, name: str) -> None:
        caller.actor.account.memberships.update(role="admin")  # sees types without a handler
        run = made(caller, State.QUEUED, task={"task_type": task_type})

        assert shown(Caller(caller.actor), run)["name"] == name

    @pytest.mark.parametrize(
        "title, summary, description",
        [
            ("Month close", "Month close", "Do what the parameters order, once"),
            ("", "Work", "Do what the parameters order, once"),
            ("ab", "Work", "ab"),
            ("   ", "Work", "Do what the parameters order, once"),
            ("T" * 200, "T" * 63, "T" * 200),
        ],
    )
    def test_the_title_is_the_summary_and_what_does_not_fit_is_told_below(
        self, caller: Caller, title: str, summary: str, description: str
    ) -> None:
        body = shown(caller, made(caller, State.QUEUED, task={"title": title}))

        assert (body["summary"], body["description"]) == (summary, description)

    def test_a_long_queue_is_cut(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor, queue="q" * 50)

        assert shown(caller, run)["service"] == "q" * 31

    @pytest.mark.parametrize(
        "processed, total, percent",
        [(0, 0, None), (5, 0, None), (0, 8, 0), (1, 3, 33.33), (999_999, 1_000_000, 99.99)],
    )
    def test_progress_is_a_percentage_that_is_never_100_too_early(
        self, caller: Caller, processed: int, total: int, percent: float | None
    ) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor, processed=processed, total=total)

        assert shown(caller, run).get("percentDone") == percent

    @pytest.mark.parametrize("state", sorted(GOOD))
    def test_a_completed_task_is_100_percent_done_whatever_was_counted(
        self, caller: Caller, state: State
    ) -> None:
        run = factories.run(state, owner=caller.actor, processed=1, total=3)

        assert shown(caller, run)["percentDone"] == 100


class TestResource:
    def resource(self, caller: Caller, **values: str) -> Any:
        resource = {"id": "", "name": "", "kind": "", "path": "", **values}
        return shown(caller, made(caller, State.QUEUED, task={"resource": resource}))

    def test_without_one_the_task_stands_for_it(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        body = shown(caller, run)

        assert body["resourceID"] == identities.NIL
        assert body["resourceURI"] == path_of(run)
        assert body["resourceCollectionURI"] == []

    def test_its_own_path_leads_to_it_wherever_we_are_mounted(
        self, through: str, caller: Caller, settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.support.mounted_urls"
        run = factories.run(owner=caller.actor)

        body = valid("task", caller.get(f"/EnterpriseTester{path_of(run)}").json())

        assert body["resourceURI"] == f"/EnterpriseTester{path_of(run)}"

    @pytest.mark.parametrize(
        "given",
        ["17", "9E1D2C3B-4A5F-4678-B901-23CD45EF6789", "9e1d2c3b-4a5f-1678-b901-23cd45ef6789"],
    )
    def test_an_id_that_is_no_identifier_gets_one_that_stays(
        self, caller: Caller, given: str
    ) -> None:
        first = self.resource(caller, id=given)["resourceID"]
        again = self.resource(caller, id=given)["resourceID"]

        assert first == again
        assert uuid.UUID(first).version == 5

    def test_an_address_elsewhere_is_shown_as_it_is(self, caller: Caller) -> None:
        body = self.resource(caller, id="1", path="https://shop.example.org/1")

        assert body["resourceCollectionURI"] == ["https://shop.example.org/1"]

    @pytest.mark.parametrize("path", ["/", "/x" * 2100])
    def test_a_path_that_does_not_fit_is_left_out(self, caller: Caller, path: str) -> None:
        body = self.resource(caller, id="1", path=path)

        assert body["resourceURI"].startswith("/accounts/")
        assert body["resourceCollectionURI"] == []


class TestStateDetails:
    def detail(self, caller: Caller, state: State, **run: Any) -> Any:
        [found] = shown(caller, factories.run(state, owner=caller.actor, **run))["stateDetails"]
        return found

    def test_a_failed_task_says_why(self, caller: Caller) -> None:
        detail = self.detail(caller, State.FAILED, error="The ledger is locked.", temporary=True)

        assert detail == {
            "type": "urn:task-center:astra:state-details:failed",
            "title": "Failed",
            "detail": "The ledger is locked.",
            "additionalDetails": {"attempt": 1, "temporary": True},
        }

    def test_a_task_that_waits_for_a_retry_says_when_and_why(self, caller: Caller) -> None:
        due = QUEUED_AT + timedelta(minutes=1)

        detail = self.detail(
            caller, State.SCHEDULED, attempt=2, run_after=due, text="No connection."
        )

        assert detail["title"] == "Waits for another attempt"
        assert detail["detail"] == (
            "The next attempt begins after 2026-03-04T08:16:30.120045Z; "
            "attempt 2 ended: No connection."
        )
        assert detail["additionalDetails"] == {"attempt": 2, "due": "2026-03-04T08:16:30.120045Z"}

    def test_a_delayed_task_says_when_it_is_due(self, caller: Caller) -> None:
        detail = self.detail(caller, State.SCHEDULED, run_after=QUEUED_AT)

        assert detail["detail"] == "It begins after 2026-03-04T08:15:30.120045Z."

    def test_a_lost_task_says_that_its_worker_died(self, caller: Caller) -> None:
        detail = self.detail(caller, State.LOST, error="The worker died.")

        assert (detail["title"], detail["detail"]) == ("Lost", "The worker died.")

    def test_a_cancelled_task_says_who_cancelled_it(self, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)
        operations.cancel(caller.actor, run.pk)

        [detail] = shown(caller, run)["stateDetails"]

        assert detail["detail"] == f"Cancelled by {caller.actor.user.username}."

    def test_a_warned_task_says_of_what(self, caller: Caller) -> None:
        result = {"values": {}, "warnings": ["One row was empty.", "Two were double."]}

        detail = self.detail(caller, State.WARNED, result=result)

        assert detail["detail"] == "One row was empty. Two were double."
        assert detail["additionalDetails"] == {"warnings": 2}

    def test_a_task_that_waits_for_its_subtasks_says_so(self, caller: Caller) -> None:
        assert self.detail(caller, State.WAITING)["title"] == "Waits for its subtasks"

    @pytest.mark.parametrize(
        "state", [State.QUEUED, State.RUNNING, State.PAUSING, State.PAUSED, State.SUCCEEDED]
    )
    def test_a_task_that_goes_as_it_should_says_nothing(self, caller: Caller, state: State) -> None:
        assert shown(caller, factories.run(state, owner=caller.actor))["stateDetails"] == []

    @pytest.mark.parametrize("state", [State.FAILED, State.LOST, State.CANCELLED, State.SKIPPED])
    def test_a_long_reason_is_cut_and_none_is_replaced(self, caller: Caller, state: State) -> None:
        long = self.detail(caller, state, error="x" * 2000)
        none = self.detail(caller, state, error="")

        assert long["detail"] == "x" * 511
        assert none["detail"]


class TestTransitions:
    def test_they_are_our_machine_in_the_vendors_words(self) -> None:
        words = vocabulary.STATES
        ours = {
            (words[foot], words[head])
            for foot, heads in ARROWS.items()
            for head in heads
            if words[foot] != words[head]
        }

        shown = {(move["from"], to) for move in vocabulary.TRANSITIONS for to in move["to"]}

        assert shown == ours

    def test_states_without_exits_are_left_out(self) -> None:
        assert [move["from"] for move in vocabulary.TRANSITIONS] == [
            "notStarted",
            "running",
            "pausing",
            "paused",
            "cancelling",
        ]


class TestWhoMaySee:
    def test_unknown_foreign_invisible_and_malformed_are_answered_alike(
        self, through: str, caller: Caller
    ) -> None:
        foreign = factories.run()
        invisible = factories.run(
            owner=factories.actor(account=caller.actor.account), task_type="OwnersWork"
        )
        own = factories.run(owner=caller.actor)
        tasks = f"/accounts/{caller.actor.account.pk}/core/v1/tasks"
        paths = [
            f"{tasks}/{UNKNOWN}",
            f"{tasks}/{foreign.pk}",
            path_of(foreign),
            path_of(invisible),
            f"{tasks}/{str(own.pk).upper()}",
            f"{tasks}/{own.pk.hex}",
            f"{tasks}/5d0c9a86-1f0e-1d1e-9f0b-0c3c7a0e6f11",
            f"{tasks}/x%00y",
            f"/accounts/{UNKNOWN}/core/v1/tasks/{own.pk}",
            f"/accounts/mine/core/v1/tasks/{own.pk}",
        ]

        bodies = [problem(caller.get(path), 1) for path in paths]

        for body in bodies:
            body.pop("correlationID")
        assert all(body == bodies[0] for body in bodies)

    def test_an_operator_of_the_installation_sees_every_account(self, through: str) -> None:
        operator = Caller(factories.actor(is_superuser=True))

        assert shown(operator, factories.run())["state"] == "notStarted"

    def test_a_viewer_may_read(self, through: str) -> None:
        viewer = Caller(factories.actor(role="viewer"))

        assert shown(viewer, factories.run(owner=viewer.actor))

    def test_a_token_without_the_scope_to_read_may_not(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)
        writer = Caller(
            caller.actor,
            authorization=f"Bearer {token(caller.actor.user, scope='tasks:write')}",
        )

        assert writer.get(path_of(run)).status_code == 403
        problem(writer.get(path_of(run)), 11)

    def test_without_a_token_it_says_that_it_is_missing(self, through: str) -> None:
        answer = Client().get(path_of(factories.run()))

        problem(answer, 3)
        assert answer["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "header, number",
        [("Bearer nonsense", 4), (basic("nobody", "x"), 4), ("Digest x", 3), ("Bearer", 4)],
    )
    def test_a_wrong_token_is_invalid(self, through: str, header: str, number: int) -> None:
        caller = Caller(authorization=header)

        problem(caller.get(path_of(factories.run(owner=caller.actor))), number)


class TestHeaders:
    @pytest.mark.parametrize(
        "accept, kind",
        [
            ("*/*", "application/json"),
            ("", "application/json"),
            ("application/json", "application/json"),
            ("application/*", "application/json"),
            ("application/astra-task+json", "application/astra-task+json"),
            ("APPLICATION/ASTRA-TASK+JSON", "application/astra-task+json"),
            ("application/json;charset=utf-8", "application/json"),
            ("application/json;q=0.5, application/astra-task+json", "application/astra-task+json"),
            ("application/json;q=0, */*", "application/astra-task+json"),
            ("text/html, */*;q=0.1", "application/json"),
        ],
    )
    def test_the_answer_has_the_type_that_is_asked_for(
        self, through: str, caller: Caller, accept: str, kind: str
    ) -> None:
        answer = caller.get(path_of(factories.run(owner=caller.actor)), accept=accept)

        assert (answer.status_code, answer["Content-Type"]) == (200, kind)

    @pytest.mark.parametrize(
        "accept",
        [
            "text/html",
            "application/astra-tasks+json",
            "application/json;q=0",
            "*/*;q=0",
            "nonsense",
            "," * 1000,
            "a" * 20_000 + "/b",
        ],
    )
    def test_a_type_that_there_is_not_is_refused(
        self, through: str, caller: Caller, accept: str
    ) -> None:
        answer = caller.get(path_of(factories.run(owner=caller.actor)), accept=accept)

        assert answer.status_code == 406
        problem(answer, 32)

    def test_the_etag_is_the_md5_of_the_document(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        answer = caller.get(path_of(run))
        again = caller.get(path_of(run), if_none_match=answer["ETag"])
        changed = caller.get(path_of(run), if_none_match='"other"')

        assert answer["ETag"] == f'"{md5(answer.content, usedforsecurity=False).hexdigest()}"'
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == answer["ETag"]
        assert changed.status_code == 200

    def test_head_is_get_without_a_body(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        head = caller.call("HEAD", path_of(run))

        assert (head.status_code, head.content) == (200, b"")
        assert head["ETag"] == caller.get(path_of(run))["ETag"]

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
    def test_nothing_can_be_written(self, through: str, caller: Caller, method: str) -> None:
        run = factories.run(owner=caller.actor)

        answer = caller.call(method, path_of(run))

        problem(answer, 69)
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, HEAD, OPTIONS"

    def test_options_says_what_there_is(self, caller: Caller) -> None:
        answer = caller.call("OPTIONS", path_of(factories.run(owner=caller.actor)))

        assert (answer.status_code, answer["Allow"]) == (204, "GET, HEAD, OPTIONS")

    def test_a_body_on_get_is_ignored(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        answer = caller._client.generic(
            "GET", path_of(run), b"{}", content_type="application/json", headers=caller.headers
        )

        assert valid("task", answer.json())["id"] == str(run.pk)

    def test_parameters_are_refused_by_name(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        body = problem(caller.get(f"{path_of(run)}?include=id&x=1"), 6)

        assert [one["name"] for one in body["invalidParams"]] == ["include", "x"]

    def test_both_ways_give_the_same_answer(self, caller: Caller, settings: Any) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor, processed=1, total=2)
        short = caller.get(path_of(run))
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]

        long = Caller(caller.actor, authorization=caller.headers["authorization"]).get(path_of(run))

        ours = ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary")
        assert short.content == long.content
        assert [short[name] for name in ours[:4]] == [long[name] for name in ours[:4]]

    def test_the_short_way_asks_the_database_once(
        self, caller: Caller, django_assert_num_queries: Any
    ) -> None:
        run = factories.run(owner=caller.actor)
        caller.get(path_of(run))

        with django_assert_num_queries(1):
            caller.get(path_of(run))
