"""`PATCH {version}/{id}`: a JSON Patch that says how a run has ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backgroundtasks import conf
from backgroundtasks.models import Message, TaskStatus
from backgroundtasks.states import FINAL, HELD, State
from tests.support import factories
from tests.support.http import Caller, token
from tests.support.sailpoint import BASES, days_ago

pytestmark = pytest.mark.django_db

KIND = "application/json-patch+json"
AT = datetime(2026, 3, 4, 9, 0, 0, 120_000, tzinfo=UTC)
END = [
    {"op": "replace", "path": "/completionStatus", "value": "SUCCESS"},
    {"op": "replace", "path": "/completed", "value": "2026-03-04T09:00:00.120Z"},
]
VALUE = "400.1.3 Illegal value"
CONTENT = "400.1 Bad request content"
SYNTAX = "400.0 Bad request syntax"


@pytest.fixture
def me() -> Caller:
    return Caller()


def patch(
    me: Caller, run: TaskStatus | str, body: Any, base: str = "/task-status/v1", **headers: Any
) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    identity = run if isinstance(run, str) else run.pk.hex
    kind = headers.pop("kind", KIND)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return me._client.patch(
        f"{base}/{identity}", raw, content_type=kind, headers={**me.headers, **named}
    )


def status(word: Any, op: str = "replace") -> dict[str, Any]:
    return {"op": op, "path": "/completionStatus", "value": word}


def completed(text: Any, op: str = "replace") -> dict[str, Any]:
    return {"op": op, "path": "/completed", "value": text}


def require_refused(answer: Any, run: TaskStatus, code: str) -> None:
    """Answered 400 with this code, and the row is as it was."""
    before = {name: value for name, value in vars(run).items() if not name.startswith("_")}
    run.refresh_from_db()
    after = {name: value for name, value in vars(run).items() if not name.startswith("_")}
    assert answer.status_code == 400, answer.content
    assert answer.json()["detailCode"] == code
    assert after == before
    assert not Message.objects.filter(run=run).exists()


class TestEnding:
    @pytest.mark.parametrize("base", BASES.values())
    @pytest.mark.parametrize(
        "word, state, temporary",
        [
            ("SUCCESS", State.SUCCEEDED, False),
            ("WARNING", State.WARNED, False),
            ("ERROR", State.FAILED, False),
            ("TEMPERROR", State.FAILED, True),
            ("TERMINATED", State.CANCELLED, False),
        ],
    )
    def test_a_pending_one_will_never_start(
        self, me: Caller, base: str, word: str, state: State, temporary: bool
    ) -> None:
        run = factories.run(State.QUEUED, owner=me.actor)

        answer = patch(me, run, [status(word), END[1]], base)

        run.refresh_from_db()
        assert answer.status_code == 200, answer.content
        assert (run.state, run.temporary, run.finished_at) == (state, temporary, AT)
        assert answer.json()["completionStatus"].upper() == word
        assert answer.json()["completed"] == "2026-03-04T09:00:00.120Z"
        assert answer.json() == me.get(f"{base}/{run.pk.hex}").json()

    @pytest.mark.parametrize(
        "state", sorted({s for s in State if s not in FINAL and s not in HELD})
    )
    def test_what_no_worker_holds_is_terminated_at_once(self, me: Caller, state: State) -> None:
        run = factories.run(state, owner=me.actor)

        body = patch(me, run, [status("Terminated"), END[1]]).json()

        assert (body["completionStatus"], body["completed"]) == ("TERMINATED", END[1]["value"])

    @pytest.mark.parametrize("state", sorted(HELD))
    def test_what_runs_is_asked_to_stop(self, me: Caller, state: State) -> None:
        run = factories.run(state, owner=me.actor)

        body = patch(me, run, [status("TERMINATED"), END[1]]).json()

        run.refresh_from_db()
        assert run.state == State.CANCELLING
        assert (body["completionStatus"], body["completed"]) == (None, None)

    @pytest.mark.parametrize("state", sorted(HELD))
    @pytest.mark.parametrize("word", ["SUCCESS", "WARNING", "ERROR", "TEMPERROR"])
    def test_what_runs_is_settled_and_taken_from_its_worker(
        self, me: Caller, state: State, word: str
    ) -> None:
        run = factories.run(state, owner=me.actor)

        body = patch(me, run, [status(word), END[1]]).json()

        run.refresh_from_db()
        assert body["completionStatus"] == word
        assert (run.token, run.lease_until) == (None, None)

    @pytest.mark.parametrize("word", ["success", "Success", "SUCCESS", "sUcCeSs"])
    @pytest.mark.parametrize(
        "base, out", [("/beta/task-status", "Success"), (BASES["v1"], "SUCCESS")]
    )
    def test_any_letter_case_comes_in_and_the_versions_goes_out(
        self, me: Caller, word: str, base: str, out: str
    ) -> None:
        run = factories.run(owner=me.actor)

        assert patch(me, run, [status(word)], base).json()["completionStatus"] == out

    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-04T09:00:00.120Z",
            "2026-03-04T09:00:00.120000Z",
            "2026-03-04 09:00:00.120000+00:00",
            "2026-03-04T10:30:00.120+01:30",
            "2026-03-04T04:00:00.120-05:00",
        ],
    )
    def test_a_time_is_taken_in_every_spelling_with_a_zone(self, me: Caller, text: str) -> None:
        run = factories.run(owner=me.actor)

        body = patch(me, run, [status("ERROR"), completed(text)]).json()

        assert body["completed"] == "2026-03-04T09:00:00.120Z"

    def test_without_a_time_it_ends_now(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        body = patch(me, run, [status("ERROR")]).json()

        assert body["created"] <= body["completed"] <= body["modified"]

    def test_the_seeds_object_with_operations_is_taken_too(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, {"operations": END}, "/beta/task-status")

        assert answer.json()["completionStatus"] == "Success"

    def test_parameters_of_the_media_type_do_not_matter(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        assert patch(me, run, END, kind=f"{KIND}; charset=utf-8").status_code == 200


class TestOperations:
    @pytest.mark.parametrize(
        "operations",
        [
            [status("ERROR", "add"), completed(END[1]["value"], "add")],
            [status("Error", "replace")],
            [
                {"op": "test", "path": "/percentComplete", "value": 0},
                {"op": "test", "path": "/completionStatus", "value": None},
                status("ERROR"),
                {"op": "test", "path": "/completionStatus", "value": "Error"},
            ],
            [
                status("ERROR"),
                {"op": "copy", "from": "/launched", "path": "/completed"},
                {"op": "test", "path": "/completed", "value": "2026-03-04 09:00:00.120+00:00"},
            ],
            [
                completed("ERROR"),
                {"op": "move", "from": "/completed", "path": "/completionStatus"},
            ],
            [status("SUCCESS"), {"op": "remove", "path": "/completed"}, status("ERROR")],
            [{**status("ERROR"), "comment": "unknown members are ignored", "from": 7}],
        ],
    )
    def test_all_six_are_there(self, me: Caller, operations: Any) -> None:
        run = factories.run(State.QUEUED, owner=me.actor, started_at=AT)

        answer = patch(me, run, operations)

        assert answer.status_code == 200, answer.content
        assert answer.json()["completionStatus"] == "ERROR"

    def test_a_test_looks_into_lists_and_objects(self, me: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=me.actor, result={"values": {"a/b": [1, 2]}})

        found = [
            patch(me, run, [{"op": "test", "path": path, "value": value}]).status_code
            for path, value in [
                ("/attributes/a~1b/1", 2),
                ("/returns/0/attributeName", "a/b"),
                ("/attributes/a~1b/1", 3),
                ("/attributes/a~1b/-", 2),
                ("/attributes/a~1b/01", 2),
            ]
        ]

        assert found == [200, 200, 400, 400, 400]

    @pytest.mark.parametrize(
        "operations",
        [
            [],
            [{"op": "test", "path": "", "value": None}][:0],
            [{"op": "replace", "path": "/completionStatus", "value": None}],
            [{"op": "remove", "path": "/completed"}],
        ],
    )
    def test_a_patch_that_changes_nothing_changes_nothing(
        self, me: Caller, operations: Any
    ) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, operations)

        assert (answer.status_code, answer["ETag"]) == (200, '"1"')

    def test_all_or_nothing(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, [*END, {"op": "test", "path": "/type", "value": "QUARTZ"}])

        require_refused(answer, run, CONTENT)


class TestRefused:
    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_a_finished_one_never_changes(self, me: Caller, state: State) -> None:
        run = factories.run(state, owner=me.actor)

        require_refused(patch(me, run, END), run, VALUE)
        require_refused(patch(me, run, [END[1]]), run, VALUE)

    def test_a_finished_one_may_be_told_what_it_is(self, me: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=me.actor, finished_at=AT)

        assert patch(me, run, END).status_code == 200
        assert patch(me, run, [status("Success")]).json()["completionStatus"] == "SUCCESS"

    def test_a_time_alone_says_what_is_missing(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, [END[1]])

        require_refused(answer, run, VALUE)
        assert answer.json()["messages"][0]["text"] == (
            "completed needs completionStatus beside it: one of "
            "SUCCESS, WARNING, ERROR, TEMPERROR, TERMINATED."
        )

    @pytest.mark.parametrize("word", ["Completed", "", "null", " ERROR", 1, True, ["ERROR"], {}])
    def test_another_status_is_400(self, me: Caller, word: Any) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, [status(word)]), run, VALUE)

    @pytest.mark.parametrize(
        "text",
        [
            "yesterday",
            "2026-03-04",
            "2026-03-04T09:00:00",
            "2026-13-04T09:00:00Z",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "",
            1772614800000,
            {},
        ],
    )
    def test_another_time_is_400(self, me: Caller, text: Any) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, [status("ERROR"), completed(text)]), run, VALUE)

    @pytest.mark.parametrize(
        "path",
        [
            "/id",
            "/percentComplete",
            "/messages/0",
            "/messages/-",
            "/returns/0/name",
            "/attributes/x",
            "/nope",
            "/completed/x",
            "/completionstatus",
            "completed",
            "",
            "/",
            "/~2",
            "/completed~2",
            "/\ud83d\ude00",
        ],
    )
    @pytest.mark.parametrize("op", ["add", "replace", "remove"])
    def test_nothing_else_can_be_changed(self, me: Caller, path: str, op: str) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, [*END, {"op": op, "path": path, "value": "x"}])

        require_refused(answer, run, VALUE)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "move", "from": "/launched", "path": "/completed"},
            {"op": "move", "from": "/completed", "path": "/launched"},
            {"op": "copy", "from": "", "path": "/completed"},
            {"op": "copy", "from": "/completed", "path": "/modified"},
        ],
    )
    def test_nothing_else_can_be_moved(self, me: Caller, operation: Any) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, [*END, operation]), run, VALUE)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "test", "path": "/type", "value": "QUARTZ"},
            {"op": "test", "path": "/nope", "value": 1},
            {"op": "test", "path": "/messages/0", "value": 1},
            {"op": "test", "path": "/~2", "value": 1},
            {"op": "test", "path": "type", "value": "QPOC"},
            {"op": "test", "path": "/type"},
            {"op": "replace", "path": "/completed"},
            {"op": "copy", "from": "/nope", "path": "/completed"},
            {"op": "copy", "from": "/messages/7", "path": "/completed"},
            {"op": "copy", "path": "/completed"},
            {"op": "move", "from": 1, "path": "/completed"},
            {"op": "REPLACE", "path": "/completed", "value": "x"},
            {"op": "delete", "path": "/completed"},
            {"op": ["add"], "path": "/completed"},
            {"path": "/completed", "value": "x"},
            {"op": "replace", "value": "x"},
            {"op": "replace", "path": None, "value": "x"},
            {"op": "replace", "path": ["completed"], "value": "x"},
            "replace",
            None,
            [],
            7,
        ],
    )
    def test_an_operation_that_makes_none_is_400(self, me: Caller, operation: Any) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, [*END, operation]), run, CONTENT)

    def test_values_are_no_way_to_grow(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)
        back_and_forth = [
            {"op": "copy", "from": "/attributes", "path": "/completed"},
            {"op": "copy", "from": "/completed", "path": "/completionStatus"},
        ]

        require_refused(patch(me, run, back_and_forth * 50), run, VALUE)


class TestBodies:
    @pytest.mark.parametrize(
        "raw, code",
        [
            (b" ", SYNTAX),
            (b"[", SYNTAX),
            (b"\xff", SYNTAX),
            (b"[NaN]", SYNTAX),
            (b"[" * 100_000, SYNTAX),
            (b'[{"op":"replace","path":"/completed","value":"\\ud800"}]', SYNTAX),
            (b'[{"op":"replace","path":"/completed","value":"\\u0000"}]', CONTENT),
            (b'[{"op":"replace","path":"/completed\\u0000","value":"x"}]', CONTENT),
            (b"\x00", SYNTAX),
            (b"{}", CONTENT),
            (b'{"operations": {}}', CONTENT),
            (b'{"operations": [], "more": 1}', CONTENT),
            (b'"x"', CONTENT),
            (b"null", CONTENT),
        ],
    )
    def test_what_is_no_patch_is_400(self, me: Caller, raw: bytes, code: str) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, raw), run, code)

    @pytest.mark.parametrize(
        "kind",
        [
            "application/json",
            "application/json;charset=utf-8",
            "application/merge-patch+json",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "nonsense",
            "",
        ],
    )
    def test_another_content_type_is_400(self, me: Caller, kind: str) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, END, kind=kind), run, CONTENT)

    def test_one_of_10_mb_is_refused_unread(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, b" " * 10 * 1024 * 1024), run, CONTENT)
        assert conf.BODY_LIMIT < 10 * 1024 * 1024

    def test_100_000_operations_are_refused_unapplied(self, me: Caller, settings: Any) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "BODY_LIMIT": 10 * 1024 * 1024}
        run = factories.run(owner=me.actor)

        require_refused(patch(me, run, [status("ERROR")] * 100_000), run, CONTENT)
        require_refused(patch(me, run, [status("ERROR")] * 101), run, CONTENT)


class TestIfMatch:
    @pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"7", "1"', "*"])
    def test_the_known_state_may_change(self, me: Caller, tag: str) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, END, if_match=tag)

        assert answer.status_code == 200
        assert answer["ETag"] != '"1"'

    @pytest.mark.parametrize("tag", ['"2"', "1", '""', "nonsense"])
    def test_another_state_is_412(self, me: Caller, tag: str) -> None:
        run = factories.run(owner=me.actor)

        answer = patch(me, run, END, if_match=tag)

        run.refresh_from_db()
        assert (answer.status_code, run.state) == (412, State.QUEUED)
        assert answer.json()["detailCode"] == "412 Precondition failed"


class TestWhoMay:
    def test_a_token_that_may_only_read_is_403(self, me: Caller) -> None:
        run = factories.run(owner=me.actor)
        reader = Caller(
            me.actor, authorization=f"Bearer {token(me.actor.user, scope='tasks:read')}"
        )

        assert patch(reader, run, END).status_code == 403
        assert reader.get(f"/task-status/v1/{run.pk.hex}").json()["completionStatus"] is None

    def test_who_may_not_start_the_type_may_not_end_it(self, me: Caller) -> None:
        viewer = Caller(factories.actor("viewer", account=me.actor.account))
        run = factories.run(owner=me.actor)

        answer = patch(viewer, run, END)

        assert (answer.status_code, answer.json()["detailCode"]) == (403, "403 Forbidden")
        assert viewer.get(f"/task-status/v1/{run.pk.hex}").json()["completionStatus"] is None

    def test_what_the_caller_does_not_see_is_404(self, me: Caller) -> None:
        foreign = factories.run()
        hidden = factories.run(
            owner=factories.actor(account=me.actor.account), task_type="OwnersWork"
        )
        old = factories.run(owner=me.actor, position=days_ago(91))

        codes = [patch(me, run, END).status_code for run in (foreign, hidden, old, "0" * 32, "x")]

        assert codes == [404] * 5
        assert set(TaskStatus.objects.values_list("state", flat=True)) == {State.QUEUED}
