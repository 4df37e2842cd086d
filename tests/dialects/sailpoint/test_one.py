"""`GET {version}/{id}`: one run with every member that the vendor documents."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock
from backgroundtasks.api.sailpoint import vocabulary
from backgroundtasks.models import Message
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.http import Caller
from tests.support.sailpoint import BASES, MEMBERS

pytestmark = pytest.mark.django_db


@pytest.fixture
def me() -> Caller:
    return Caller()


def shown(me: Caller, run: Any, base: str = BASES["v1"]) -> Any:
    answer = me.get(f"{base}/{run.pk.hex}")
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.parametrize("base", BASES.values())
@pytest.mark.parametrize("state", State)
def test_every_member_is_there_in_every_version_and_state(
    me: Caller, base: str, state: State
) -> None:
    answer = me.get(f"{base}/{factories.run(state, owner=me.actor).pk.hex}")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert list(answer.json()) == MEMBERS


@pytest.mark.parametrize(
    "state, temporary, word",
    [
        (State.SCHEDULED, False, None),
        (State.QUEUED, False, None),
        (State.RUNNING, False, None),
        (State.WAITING, False, None),
        (State.PAUSING, False, None),
        (State.PAUSED, False, None),
        (State.CANCELLING, False, None),
        (State.SUCCEEDED, False, "SUCCESS"),
        (State.WARNED, False, "WARNING"),
        (State.FAILED, False, "ERROR"),
        (State.FAILED, True, "TEMPERROR"),
        (State.CANCELLED, False, "TERMINATED"),
        (State.SKIPPED, False, "TERMINATED"),
        (State.LOST, False, "TEMPERROR"),
    ],
)
def test_each_state_has_its_word(
    me: Caller, state: State, temporary: bool, word: str | None
) -> None:
    run = factories.run(state, owner=me.actor, temporary=temporary)

    assert shown(me, run)["completionStatus"] == word


def test_every_state_has_a_word_and_only_final_ones_have_one() -> None:
    assert set(vocabulary.COMPLETION) == set(State)
    assert {state for state, word in vocabulary.COMPLETION.items() if word} == FINAL


class TestSpelling:
    WORDS = [
        (State.SUCCEEDED, {}, "Success"),
        (State.WARNED, {}, "Warning"),
        (State.FAILED, {}, "Error"),
        (State.FAILED, {"temporary": True}, "TempError"),
        (State.CANCELLED, {}, "Terminated"),
    ]

    @pytest.mark.parametrize("state, values, word", WORDS)
    def test_beta_answers_in_its_first_words(
        self, me: Caller, state: State, values: Any, word: str
    ) -> None:
        run = factories.run(state, owner=me.actor, **values)

        assert shown(me, run, "/beta/task-status")["completionStatus"] == word

    @pytest.mark.parametrize("state, values, word", WORDS)
    def test_a_setting_makes_it_upper_case(
        self, me: Caller, settings: Any, state: State, values: Any, word: str
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "SAILPOINT_BETA_UPPER_CASE": True}
        run = factories.run(state, owner=me.actor, **values)

        assert shown(me, run, "/beta/task-status")["completionStatus"] == word.upper()


def test_a_running_one_shows_what_is_stored(me: Caller) -> None:
    queued = datetime(2026, 3, 4, 8, 15, 30, 120_999, tzinfo=UTC)
    run = factories.run(
        State.RUNNING,
        owner=me.actor,
        queued_at=queued,
        started_at=queued + timedelta(seconds=1),
        modified_at=queued + timedelta(seconds=2),
        processed=42,
        total=101,
        text="Reading products",
    )
    run.task.title = "Rebuild product search index"
    run.task.save()

    body = shown(me, run)

    assert body["id"] == run.pk.hex
    assert body["uniqueName"] == "Rebuild product search index"
    assert body["description"] == "Do what the parameters order, once"
    assert body["launcher"] == me.actor.user.username
    assert body["created"] == "2026-03-04T08:15:30.120Z"
    assert body["launched"] == "2026-03-04T08:15:31.120Z"
    assert body["modified"] == "2026-03-04T08:15:32.120Z"
    assert (body["completed"], body["progress"]) == (None, "Reading products")
    assert (body["percentComplete"], body["messages"]) == (41, [])
    assert (body["returns"], body["attributes"]) == ([], {})


def test_whole_seconds_have_three_decimals_too(me: Caller) -> None:
    run = factories.run(owner=me.actor, queued_at=datetime(2026, 3, 4, 8, 15, 30, tzinfo=UTC))

    assert shown(me, run)["created"] == "2026-03-04T08:15:30.000Z"


@pytest.mark.parametrize(
    "state, processed, total, percent",
    [
        (State.QUEUED, 0, 0, 0),
        (State.RUNNING, 1, 3, 33),
        (State.RUNNING, 999, 1000, 99),
        (State.RUNNING, 3, 3, 99),
        (State.FAILED, 3, 3, 99),
        (State.SUCCEEDED, 0, 0, 100),
        (State.WARNED, 2, 3, 100),
    ],
)
def test_percent_is_whole_and_100_only_when_it_ended_well(
    me: Caller, state: State, processed: int, total: int, percent: int
) -> None:
    run = factories.run(state, owner=me.actor, processed=processed, total=total)

    found = shown(me, run)["percentComplete"]

    assert (found, type(found)) == (percent, int)


@pytest.mark.parametrize(
    "origin, word",
    [
        ("schedule", "QUARTZ"),
        ("code", "QPOC"),
        ("parent", "QPOC"),
        ("enterprise_tester", "QUEUED_TASK"),
        ("admin", "QUEUED_TASK"),
        ("command", "QUEUED_TASK"),
    ],
)
def test_the_type_says_how_it_was_started(me: Caller, origin: str, word: str) -> None:
    run = factories.run(owner=me.actor, origin=origin)

    assert shown(me, run)["type"] == word


def test_the_outcome_is_returned_as_attributes(me: Caller) -> None:
    run = factories.run(
        State.SUCCEEDED,
        owner=me.actor,
        result={"values": {"productsRead": 4200, "feedURL": ["a"]}, "warnings": []},
    )

    body = shown(me, run)

    assert body["attributes"] == {"productsRead": 4200, "feedURL": ["a"]}
    assert sorted(body["returns"], key=str) == [
        {"name": "Feed URL", "attributeName": "feedURL"},
        {"name": "Products read", "attributeName": "productsRead"},
    ]


@pytest.mark.parametrize(
    "kind, word", [("application", "APPLICATION"), ("identity", "IDENTITY"), ("project", None)]
)
def test_the_target_is_what_the_task_works_on(me: Caller, kind: str, word: str | None) -> None:
    run = factories.run(owner=me.actor)
    run.task.resource = {"id": "77c1", "name": "catalogue", "kind": kind, "path": "/x"}
    run.task.save()

    assert shown(me, run)["target"] == {"id": "77c1", "type": word, "name": "catalogue"}


def test_without_a_resource_there_is_no_target(me: Caller) -> None:
    assert shown(me, factories.run(owner=me.actor))["target"] is None


def test_the_parent_is_named(me: Caller) -> None:
    titled = factories.run(State.WAITING, owner=me.actor)
    titled.task.title = "Supplier sync"
    titled.task.save()
    plain = factories.run(State.WAITING, owner=me.actor, task_type="Noop")

    names = [
        shown(me, factories.run(owner=me.actor, parent=parent, child_key="a"))["parentName"]
        for parent in (titled, plain)
    ]

    assert names == ["Supplier sync", "Nothing, in batches"]


def test_what_nobody_owns_was_launched_by_the_system(me: Caller) -> None:
    run = factories.run(owner=me.actor)
    type(run).objects.filter(pk=run.pk).update(owner=None)

    assert shown(me, run)["launcher"] == "system"


class TestMessages:
    def test_they_have_level_key_text_and_parameters(self, me: Caller) -> None:
        run = factories.run(State.RUNNING, owner=me.actor)
        for level, text in (("info", "One"), ("warning", ""), ("error", "Three")):
            Message.objects.create(
                run=run, level=level, key=f"a.{level}", text=text, parameters={"n": 12, "of": "x"}
            )

        parameters = [{"n": 12}, {"of": "x"}]
        assert shown(me, run)["messages"] == [
            {
                "type": kind,
                "key": key,
                "localizedText": {"locale": "en-US", "message": text},
                "parameters": parameters,
            }
            for kind, key, text in (
                ("INFO", "a.info", "One"),
                ("WARN", "a.warning", "a.warning"),
                ("ERROR", "a.error", "Three"),
            )
        ]

    @pytest.mark.parametrize(
        "state, level, key",
        [
            (State.FAILED, "ERROR", "run.failed"),
            (State.LOST, "ERROR", "run.lost"),
            (State.CANCELLED, "WARN", "run.cancelled"),
            (State.SKIPPED, "WARN", "run.skipped"),
        ],
    )
    def test_the_last_one_says_why_it_ended(
        self, me: Caller, state: State, level: str, key: str
    ) -> None:
        run = factories.run(state, owner=me.actor, error="Supplier 12 did not answer")

        last = shown(me, run)["messages"][-1]

        assert (last["type"], last["key"]) == (level, key)
        assert last["localizedText"]["message"] == "Supplier 12 did not answer"

    def test_warnings_are_messages_too(self, me: Caller) -> None:
        run = factories.run(
            State.WARNED, owner=me.actor, result={"values": {}, "warnings": ["One", "Two"]}
        )

        found = [
            (one["type"], one["localizedText"]["message"]) for one in shown(me, run)["messages"]
        ]

        assert found == [("WARN", "One"), ("WARN", "Two")]

    def test_of_very_many_the_newest_are_shown(self, me: Caller) -> None:
        run = factories.run(State.RUNNING, owner=me.actor)
        Message.objects.bulk_create(Message(run=run, key="a", text=str(n)) for n in range(1003))

        found = [one["localizedText"]["message"] for one in shown(me, run)["messages"]]

        assert found == [str(n) for n in range(3, 1003)]


class TestDefinition:
    def test_it_describes_the_task_type_and_no_value(self, me: Caller) -> None:
        run = factories.run(owner=me.actor, parameters={"Secret": {"$sealed": "gAAA"}})

        summary = shown(me, run)["taskDefinitionSummary"]

        assert summary["uniqueName"] == "Work"
        assert summary["description"] == "Do what the parameters order, once"
        assert summary["parentName"] == "tests"
        assert summary["executor"] == "tests.work.handlers.work.Work"
        assert summary["arguments"]["Steps"] == "integer"
        assert summary["arguments"]["Sleep"] == "number"
        assert summary["arguments"]["Safe"] == "boolean"
        assert summary["arguments"]["Result"] == "any"
        assert summary["arguments"]["Secret"] == "secret"
        assert "gAAA" not in json.dumps(shown(me, run))

    def test_its_id_is_the_types(self, me: Caller) -> None:
        first, second, other = (
            shown(me, factories.run(owner=me.actor, task_type=name))["taskDefinitionSummary"]["id"]
            for name in ("Work", "Work", "Noop")
        )

        assert first == second != other
        assert uuid.UUID(first).hex == first

    def test_without_a_handler_it_is_left_out(self) -> None:
        me = Caller(factories.actor(role="admin"))
        run = factories.run(owner=me.actor, task_type="Gone")

        body = shown(me, run)

        assert "taskDefinitionSummary" not in body
        assert (body["uniqueName"], body["description"]) == ("Gone", "Gone")


def test_the_etag_changes_with_the_run(me: Caller) -> None:
    run = factories.run(owner=me.actor)
    path = f"/v2025/task-status/{run.pk.hex}"
    before = me.get(path)["ETag"]
    type(run).objects.filter(pk=run.pk).update(event=7)

    assert (before, me.get(path)["ETag"]) == ('"1"', '"7"')


def test_two_queries_read_it(me: Caller) -> None:
    run = factories.run(owner=me.actor)
    shown(me, run)  # who asks is known from here on

    with CaptureQueriesContext(
        connection,
    ) as queries:
        shown(me, run)

    assert len(queries) == 2


class TestUnknown:
    @pytest.mark.parametrize(
        "spelled",
        [
            "6bf14a2e8c3f4e0db1c64c6f4f3a9d10",
            "6bf14a2e-8c3f-4e0d-b1c6-4c6f4f3a9d10",
            "68b3d370e63911f19ec202fc00000001",
            "work-6bf14a2e-8c3f-4e0d-b1c6-4c6f4f3a9d10",
            "0" * 31,
            "0" * 33,
            "x" * 32,
            "%00" * 32,
            "a" * 5000,
            "%ff%fe",
        ],
    )
    def test_an_id_of_another_form_or_none_is_404(self, me: Caller, spelled: str) -> None:
        answer = me.get(f"/task-status/v1/{spelled}")

        assert answer.status_code == 404
        assert answer.json()["detailCode"] == "404 Not found"

    def test_a_run_of_a_foreign_account_is_404(self, me: Caller) -> None:
        run = factories.run()

        assert me.get(f"/beta/task-status/{run.pk.hex}").status_code == 404

    def test_a_run_that_its_handler_hides_is_404(self, me: Caller) -> None:
        other = factories.actor(account=me.actor.account)
        run = factories.run(owner=other, task_type="OwnersWork")

        assert me.get(f"/beta/task-status/{run.pk.hex}").status_code == 404

    def test_a_run_of_more_than_90_days_ago_is_404(self, me: Caller) -> None:
        days = lambda n: clock.position_at(clock.now() - timedelta(days=n))  # noqa: E731
        old = factories.run(State.SUCCEEDED, owner=me.actor, position=days(90.01))
        young = factories.run(State.SUCCEEDED, owner=me.actor, position=days(89.99))

        codes = [me.get(f"/v2024/task-status/{r.pk.hex}").status_code for r in (old, young)]

        assert codes == [404, 200]


@pytest.mark.parametrize("method", ["post", "put", "delete", "head"])
def test_other_methods_are_405(me: Caller, method: str) -> None:
    path = f"/task-status/v1/{factories.run(owner=me.actor).pk.hex}"

    answer = getattr(me._client, method)(path, headers=me.headers)

    assert answer.status_code == 405
    assert answer["Allow"].startswith("GET, ")
