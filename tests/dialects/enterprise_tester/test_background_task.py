"""`GET /api/backgroundtask/{id}`: how a run is shown, and who may see it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, GOOD, State
from tests.support import factories
from tests.support.http import SHORTCUT, Caller

pytestmark = pytest.mark.django_db

NO_SUCH_RUN = "5d0c9a86-1f0e-4d1e-9f0b-0c3c7a0e6f11"
QUEUED_AT = datetime(2024, 3, 5, 8, 15, 42, 123456, tzinfo=UTC)
STARTED_AT = datetime(2024, 3, 5, 8, 15, 43, tzinfo=UTC)
FINISHED_AT = datetime(2024, 3, 5, 8, 16, 3, 999999, tzinfo=UTC)


def path_of(run: TaskStatus) -> str:
    return f"/api/backgroundtask/{run.task_type.lower()}-{run.pk}"


@pytest.mark.spec("enterprise_tester", "Background Task", "In Progress Task")
def test_a_running_task_shows_its_progress_in_the_vendors_words(
    through: str, caller: Caller
) -> None:
    run = factories.run(
        State.RUNNING,
        owner=caller.actor,
        processed=1,
        total=3,
        text="Queuing index events",
        queued_at=QUEUED_AT,
        started_at=STARTED_AT,
    )

    answer = caller.get(path_of(run))

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert answer["Retry-After"] == "1"
    assert list(answer.json().items()) == [
        ("Complete", False),
        ("TotalElements", 3),
        ("ProcessedElements", 1),
        ("StartedAt", "2024-03-05T08:15:43Z"),
        ("ProgressInPercent", 0.33),
        ("Id", f"work-{run.pk}"),
        ("Message", "Queuing index events"),
        ("Self", f"http://testserver/api/backgroundtask/work-{run.pk}"),
        ("QueuedAt", "2024-03-05T08:15:42Z"),
        ("State", "running"),
    ]
    assert b'": ' not in answer.content


@pytest.mark.spec("enterprise_tester", "Background Task", "Completed Task")
def test_a_task_that_ended_well_is_complete(through: str, caller: Caller) -> None:
    run = factories.run(
        State.SUCCEEDED,
        owner=caller.actor,
        processed=10,
        total=10,
        text="Optimizing",
        queued_at=QUEUED_AT,
        started_at=STARTED_AT,
        finished_at=FINISHED_AT,
    )

    answer = caller.get(path_of(run))

    assert "Retry-After" not in answer
    assert list(answer.json().items()) == [
        ("Complete", True),
        ("TotalElements", 10),
        ("ProcessedElements", 10),
        ("StartedAt", "2024-03-05T08:15:43Z"),
        ("FinishedAt", "2024-03-05T08:16:03Z"),
        ("ProgressInPercent", 1.0),
        ("Id", f"work-{run.pk}"),
        ("Message", "Task Completed"),
        ("Self", f"http://testserver/api/backgroundtask/work-{run.pk}"),
        ("QueuedAt", "2024-03-05T08:15:42Z"),
        ("State", "succeeded"),
    ]


def test_a_failed_task_is_not_complete_and_says_why(through: str, caller: Caller) -> None:
    run = factories.run(
        State.FAILED,
        owner=caller.actor,
        processed=2,
        total=6,
        text="Importing results",
        error="Unable to parse results.",
    )

    body = caller.get(path_of(run)).json()

    assert list(body)[:2] == ["Complete", "Error"]
    assert (body["Complete"], body["Error"]) == (False, "Unable to parse results.")
    assert "FinishedAt" in body
    assert (body["Message"], body["ProgressInPercent"]) == ("Importing results", 0.33)


@pytest.mark.parametrize("state", sorted(State))
def test_every_end_shows_either_complete_or_an_error(
    through: str, caller: Caller, state: State
) -> None:
    run = factories.run(state, owner=caller.actor)
    if state in FINAL:
        TaskStatus.objects.filter(pk=run.pk).update(error="")

    body = caller.get(path_of(run)).json()

    assert body["State"] == state
    assert body["Complete"] is (state in GOOD)
    assert bool(body.get("Error")) is (state in FINAL - GOOD)
    assert ("FinishedAt" in body) is (state in FINAL)


@pytest.mark.parametrize("state", sorted(State))
def test_the_shortcut_answers_byte_for_byte_as_the_view(
    caller: Caller, settings: Any, state: State
) -> None:
    run = factories.run(
        state,
        owner=caller.actor,
        processed=2,
        total=3,
        text="Zählt “alles”",
        result={"values": {"IncidentId": "x"}, "warnings": ["One was flaky."]},
    )
    short = caller.get(path_of(run))
    stored = caller.get(path_of(run), if_none_match=short["ETag"])

    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]
    long = caller.get(path_of(run))
    long_stored = caller.get(path_of(run), if_none_match=short["ETag"])

    assert short.content == long.content
    assert dict(short.headers) == dict(long.headers)
    assert (short.status_code, stored.status_code) == (200, 304)
    assert (long.status_code, long_stored.status_code) == (200, 304)
    assert stored.content == long_stored.content == b""
    assert stored["ETag"] == long_stored["ETag"] == short["ETag"]


@pytest.mark.parametrize(
    "path, headers",
    [
        ("/api/backgroundtask/work-00000000-0000-4000-8000-000000000000", {}),
        ("/api/backgroundtask/work", {}),
        ("/api/backgroundtask/%00", {}),
        ("/api/backgroundtask/work", {"authorization": "Bearer wrong"}),
        ("/api/backgroundtask/work", {"authorization": "Basic !"}),
        ("/api/backgroundtask/work", {"x_account_id": "none"}),
        ("/api/backgroundtask/work?indent-json=true", {}),
    ],
)
def test_the_shortcut_refuses_as_the_view_does(
    caller: Caller, settings: Any, path: str, headers: dict[str, str]
) -> None:
    short = caller.get(path, **headers)

    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]
    long = caller.get(path, **headers)

    assert short.status_code == long.status_code
    assert short.content == long.content
    assert short.headers.get("WWW-Authenticate") == long.headers.get("WWW-Authenticate")


def test_progress_never_shows_all_before_all_is_done(through: str, caller: Caller) -> None:
    run = factories.run(State.RUNNING, owner=caller.actor, processed=9_999, total=10_000)

    assert caller.get(path_of(run)).json()["ProgressInPercent"] == 0.99


def test_a_task_that_waits_shows_when_it_was_queued(through: str, caller: Caller) -> None:
    run = factories.run(State.QUEUED, owner=caller.actor, queued_at=QUEUED_AT)

    body = caller.get(path_of(run)).json()

    assert body["StartedAt"] == body["QueuedAt"] == "2024-03-05T08:15:42Z"
    assert (body["TotalElements"], body["ProcessedElements"]) == (0, 0)
    assert (body["ProgressInPercent"], body["Message"]) == (0.0, None)


def test_paths_and_ids_fit_in_any_letter_case_and_with_a_slash(
    through: str, caller: Caller
) -> None:
    run = factories.run(owner=caller.actor)

    answer = caller.get(f"/API/BackgroundTask/WORK-{str(run.pk).upper()}/")

    assert answer.status_code == 200
    assert answer.json()["Id"] == f"work-{run.pk}"


@pytest.mark.parametrize("how", ["query", "header"])
def test_indented_json_is_there_on_request(through: str, caller: Caller, how: str) -> None:
    run = factories.run(owner=caller.actor)

    if how == "query":
        answer = caller.get(path_of(run) + "?indent-json=true")
    else:
        answer = caller.get(path_of(run), indent_json="true")

    assert answer.content.startswith(b'{\n  "Complete": false')


class TestWhoMaySee:
    @pytest.mark.spec("enterprise_tester", "Background Task", "404 - NotFound")
    @pytest.mark.parametrize(
        "public",
        [
            f"work-{NO_SUCH_RUN}",
            "work-",
            "no-id",
            NO_SUCH_RUN,
            "x" * 5000,
            "work-{" + NO_SUCH_RUN + "}",
        ],
    )
    def test_an_unknown_id_is_404(self, through: str, caller: Caller, public: str) -> None:
        answer = caller.get(f"/api/backgroundtask/{public}")

        assert answer.status_code == 404
        assert list(answer.json()) == ["Message"]

    def test_an_id_of_another_account_is_answered_like_an_unknown_one(
        self, through: str, caller: Caller
    ) -> None:
        foreign = factories.run()
        unknown = uuid.uuid4()

        answer = caller.get(path_of(foreign))

        expected = caller.get(f"/api/backgroundtask/work-{unknown}")
        assert answer.status_code == expected.status_code == 404
        assert answer.json()["Message"] == expected.json()["Message"].replace(
            str(unknown), str(foreign.pk)
        )

    def test_a_colleague_sees_what_the_handler_shows(self, through: str, caller: Caller) -> None:
        colleague = factories.actor(account=caller.actor.account)
        shown = factories.run(owner=colleague)
        hidden = factories.run(owner=colleague, task_type="OwnersWork")

        assert caller.get(path_of(shown)).status_code == 200
        assert caller.get(path_of(hidden)).status_code == 404
        assert Caller(colleague).get(path_of(hidden)).status_code == 200

    def test_the_prefix_must_be_the_types_own(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        assert caller.get(f"/api/backgroundtask/reindex-{run.pk}").status_code == 404

    def test_a_flushed_task_is_404(self, through: str, caller: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=caller.actor)
        path = path_of(run)
        assert caller.get(path).status_code == 200

        run.delete()

        assert caller.get(path).status_code == 404

    def test_a_viewer_may_read(self, through: str) -> None:
        viewer = Caller(factories.actor(role="viewer"))
        run = factories.run(owner=viewer.actor)

        assert viewer.get(path_of(run)).status_code == 200


class TestConditionalRequests:
    def test_a_known_state_is_304_and_a_new_one_is_not(self, through: str, caller: Caller) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor)
        tag = caller.get(path_of(run))["ETag"]

        same = caller.get(path_of(run), if_none_match=f'"other", {tag}')
        TaskStatus.objects.filter(pk=run.pk).update(event=run.event + 1, processed=5)
        changed = caller.get(path_of(run), if_none_match=tag)

        assert (same.status_code, same.content, same["ETag"]) == (304, b"", tag)
        assert same["Retry-After"] == "1"
        assert changed.status_code == 200
        assert changed.json()["ProcessedElements"] == 5

    def test_a_star_is_any_state(self, through: str, caller: Caller) -> None:
        run = factories.run(owner=caller.actor)

        assert caller.get(path_of(run), if_none_match="*").status_code == 304


@pytest.mark.spec("enterprise_tester", "Background Task", "methods: GET")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_other_methods_are_405(through: str, caller: Caller, method: str) -> None:
    run = factories.run(owner=caller.actor)

    answer = caller.call(method, path_of(run))

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
    assert list(answer.json()) == ["Message"]
    assert TaskStatus.objects.filter(pk=run.pk).exists()


def test_a_poll_costs_one_query(caller: Caller, django_assert_num_queries: Any) -> None:
    run = factories.run(owner=caller.actor)
    caller.get(path_of(run))

    with django_assert_num_queries(1):
        caller.get(path_of(run))
