"""`POST /api/backgroundtasks`: what is accepted, what is refused, and what that leaves behind."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks import clock, exceptions
from backgroundtasks.models import IdempotencyKey, Task, TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller, token
from tests.work.handlers.work import Work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("through")]

PATH = "/api/backgroundtasks"


def nothing_is_stored() -> bool:
    return not Task.objects.exists() and not TaskStatus.objects.exists()


class TestAccepted:
    @pytest.mark.spec("enterprise_tester", "Background Tasks", "202 - Accepted")
    def test_a_task_is_accepted_with_its_location(self, caller: Caller) -> None:
        answer = caller.post(PATH, {"Type": "Work", "Parameters": {"Steps": 3}})

        run = TaskStatus.objects.select_related("task").get()
        body = answer.json()
        assert answer.status_code == 202
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert answer["Location"] == body["Self"]
        assert body["Self"] == f"http://testserver/api/backgroundtask/work-{run.pk}"
        assert list(body) == [
            "Complete",
            "TotalElements",
            "ProcessedElements",
            "StartedAt",
            "ProgressInPercent",
            "Id",
            "Message",
            "Self",
            "QueuedAt",
            "State",
        ]
        assert (run.state, run.owner, run.account) == (
            State.QUEUED,
            caller.actor.user,
            caller.actor.account,
        )
        assert run.task.parameters["Steps"] == 3
        assert run.task.origin == "enterprise_tester"

    def test_the_answer_is_what_the_first_poll_shows(self, caller: Caller) -> None:
        answer = caller.post(PATH, {"Type": "Work"})

        assert caller.get(answer["Location"]).content == answer.content

    @pytest.mark.parametrize(
        "path", [PATH, PATH + "/", "/API/BackgroundTasks", "/Api/BACKGROUNDTASKS/"]
    )
    def test_the_path_fits_in_any_letter_case_and_with_a_slash(
        self, caller: Caller, path: str
    ) -> None:
        assert caller.post(path, {"Type": "Work", "Parameters": {}}).status_code == 202

    @pytest.mark.parametrize("name", ["Work", "work", "WORK"])
    def test_the_type_fits_in_any_letter_case(self, caller: Caller, name: str) -> None:
        assert caller.post(PATH, {"Type": name, "Parameters": {}}).status_code == 202
        assert TaskStatus.objects.get().task_type == "Work"

    def test_a_body_as_the_vendors_typed_client_writes_it_is_taken(self, caller: Caller) -> None:
        body = {
            "Links": [],
            "Expands": [],
            "Self": None,
            "Type": "Work",
            "StreamProgress": None,
            "Parameters": {},
        }

        answer = caller.post(PATH, json.dumps(body, indent=2))

        assert answer.status_code == 202

    @pytest.mark.parametrize("body", [{"Type": "Work"}, {"Type": "Work", "Parameters": None}])
    def test_parameters_may_be_left_out(self, caller: Caller, body: dict[str, Any]) -> None:
        assert caller.post(PATH, body).status_code == 202

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/json", ""])
    def test_json_is_taken_under_any_of_its_names(self, caller: Caller, kind: str) -> None:
        assert caller.post(PATH, {"Type": "Work"}, kind=kind).status_code == 202


class TestLabels:
    @pytest.mark.parametrize("labels", [{"team": "core"}, {"7": "x", "Zähler": "“ü”", "b": ""}])
    def test_are_kept_and_shown_by_the_answer_and_every_poll(
        self, caller: Caller, labels: dict[str, str]
    ) -> None:
        answer = caller.post(PATH, {"Type": "Work", "Labels": labels})

        assert answer.json()["Labels"] == labels
        assert Task.objects.get().labels == labels
        assert caller.get(answer["Location"]).content == answer.content

    @pytest.mark.parametrize("labels", [None, {}])
    def test_may_be_left_out_and_are_not_shown_then(self, caller: Caller, labels: Any) -> None:
        answer = caller.post(PATH, {"Type": "Work", "Labels": labels})

        assert answer.status_code == 202
        assert "Labels" not in answer.json()

    def test_stay_with_the_task_when_it_is_retried(self, caller: Caller) -> None:
        old = factories.run(State.FAILED, owner=caller.actor, labels={"team": "core"})

        answer = caller.post(f"/api/backgroundtask/work-{old.pk}/retry")

        assert answer.json()["Labels"] == {"team": "core"}
        assert caller.get(answer["Location"]).content == answer.content


def body_of(**members: Any) -> bytes:
    return json.dumps({"Type": "Work", **members}).encode()


def nested(depth: int) -> bytes:
    return body_of(Parameters={"Result": 0}).replace(b"0", b"[" * depth + b"]" * depth)


class TestBadInput:
    """Each has its answer in the contract's shape, and leaves nothing behind."""

    @pytest.mark.parametrize(
        "status, body, text",
        [
            (400, b"", "The body is not JSON"),
            (400, b"{", "The body is not JSON"),
            (400, b"Type=Work", "The body is not JSON"),
            (400, b"[]", "The body must be a JSON object."),
            (400, b'"Work"', "The body must be a JSON object."),
            (400, b"null", "The body must be a JSON object."),
            (400, b'\xff{"Type": "Work"}', "The body is not UTF-8."),
            (400, b"\x00", "The body is not JSON"),
            (403, body_of(Parameters={"Mark": "a\0b"}), "A text holds a NUL character."),
            (403, body_of(**{"\0": 1}), "A text holds a NUL character."),
            (400, body_of(Parameters={"Mark": "\ud800"}), "A text holds half a surrogate pair."),
            (400, body_of(Parameters={"Result": float("nan")}), "NaN is no JSON number"),
            (400, b'{"Type": "Work", "Parameters": {"Sleep": 1e999}}', "too large"),
            (400, nested(100), "The JSON is nested more than 64 deep."),
            (400, nested(200_000), "The JSON is nested more than 64 deep."),
            (400, body_of(Type=5), "The member Type must be a text."),
            (400, body_of(Type=["Work"]), "The member Type must be a text."),
            (400, body_of(Parameters=[]), "The member Parameters must be an object."),
            (400, body_of(Parameters="x"), "The member Parameters must be an object."),
            (400, body_of(StreamProgress="yes"), "StreamProgress must be true or false."),
            (400, body_of(Labels=["core"]), "The member Labels must be an object."),
            (403, body_of(Labels={"team": 7}), "labels are texts of at most 100 characters."),
            (403, body_of(Labels={"team": None}), "labels are texts of at most 100 characters."),
            (403, body_of(Labels={"team": "x" * 101}), "texts of at most 100 characters."),
            (403, body_of(Labels={"": "core"}), "A label has a name."),
            (403, body_of(Labels={"a": "b\0"}), "A text holds a NUL character."),
            (400, body_of(Labels={"a": "\ud800"}), "A text holds half a surrogate pair."),
            (403, body_of(Labels={str(n): "" for n in range(51)}), "at most 50 labels."),
            (403, b"{}", "The member Type is missing"),
            (403, body_of(Type=None), "The member Type is missing"),
            (403, body_of(Type=""), "The member Type is missing"),
            (403, body_of(Type="Nope"), "There is no task type 'Nope'."),
            (403, body_of(Type="N" * 500), "There is no task type"),
            (403, body_of(Parameters={"Nope": 1}), "Nope: There is no parameter of this name."),
            (403, body_of(Parameters={"steps": 1}), "steps: There is no parameter of this name."),
            (403, body_of(Parameters={"Steps": "x"}), "Steps: A valid integer is required."),
            (413, body_of(Padding="x" * 2**24), "The body is larger than 16777216 bytes."),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_is_answered_in_shape(
        self, caller: Caller, status: int, body: bytes, text: str
    ) -> None:
        answer = caller.post(PATH, body)

        assert (answer.status_code, list(answer.json())) == (status, ["Message"])
        assert text in answer.json()["Message"]
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert nothing_is_stored()

    @pytest.mark.parametrize("path", [PATH, "/api/projects"])
    def test_a_body_in_chunks_is_411_instead_of_an_empty_one(
        self, caller: Caller, path: str
    ) -> None:
        answer = caller.call("POST", path, transfer_encoding="chunked")

        assert (answer.status_code, list(answer.json())) == (411, ["Message"])
        assert nothing_is_stored()

    @pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "x" * 300])
    def test_a_body_of_another_kind_is_415(self, caller: Caller, kind: str) -> None:
        answer = caller.post(PATH, b'{"Type": "Work"}', kind=kind)

        assert (answer.status_code, list(answer.json())) == (415, ["Message"])
        assert nothing_is_stored()

    @pytest.mark.spec("enterprise_tester", "Background Tasks", "403 - Forbidden")
    def test_a_type_that_the_caller_may_not_start_is_403(self) -> None:
        viewer = Caller(factories.actor(role="viewer"))

        answer = viewer.post(PATH, {"Type": "Work", "Parameters": {}})

        assert answer.status_code == 403
        assert answer.json() == {
            "Message": "You may not start Work: it needs the role member in the account."
        }
        assert nothing_is_stored()

    def test_a_type_whose_handler_names_no_permission_is_nobodys(self, caller: Caller) -> None:
        assert caller.post(PATH, {"Type": "NobodysWork"}).status_code == 403
        assert nothing_is_stored()

    @pytest.mark.spec("enterprise_tester", "Background Tasks", "500 - InternalServerError")
    def test_a_handler_that_cannot_create_its_task_is_500_with_its_text(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: Any) -> None:
            raise exceptions.SubmissionFailed("The ticket BIL-77 is already linked.")

        monkeypatch.setattr(Work, "check_submission", fail)

        answer = caller.post(PATH, {"Type": "Work"})

        assert answer.status_code == 500
        assert answer.json() == {"Message": "The ticket BIL-77 is already linked."}
        assert nothing_is_stored()
        assert "Traceback" not in caplog.text

    def test_a_handler_that_refuses_is_403_with_its_text(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            raise exceptions.SubmissionRefused("The project is closed.")

        monkeypatch.setattr(Work, "check_submission", refuse)

        answer = caller.post(PATH, {"Type": "Work"})

        assert (answer.status_code, answer.json()) == (403, {"Message": "The project is closed."})

    def test_a_crash_is_500_in_shape_without_its_details(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(*_: Any) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr(Work, "check_submission", crash)

        answer = caller.post(PATH, {"Type": "Work"})

        assert answer.status_code == 500
        assert list(answer.json()) == ["Message"]
        assert "secret" not in answer.json()["Message"]

    def test_a_second_one_is_409_where_the_handler_wants_one(self, caller: Caller) -> None:
        caller.start("OneAtATime", Key="a")

        answer = caller.post(PATH, {"Type": "OneAtATime", "Parameters": {"Key": "a"}})

        assert (answer.status_code, list(answer.json())) == (409, ["Message"])
        assert TaskStatus.objects.count() == 1

    def test_an_expired_token_starts_nothing(self, caller: Caller) -> None:
        expired = token(caller.actor.user, life=timedelta(seconds=-1))

        answer = caller.post(PATH, {"Type": "Work"}, authorization=f"Bearer {expired}")

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Basic realm="Enterprise Tester"'
        assert answer.json() == {"Message": "The token has expired."}
        assert nothing_is_stored()

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
    def test_other_methods_are_405(self, caller: Caller, method: str) -> None:
        answer = caller.call(method, PATH)

        assert (answer.status_code, list(answer.json())) == (405, ["Message"])
        assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"


class TestIdempotencyKey:
    def test_a_repetition_is_answered_with_the_first_run(self, caller: Caller) -> None:
        body = {"Type": "Work", "Parameters": {"Steps": 1}}
        first = caller.post(PATH, body, idempotency_key="a")

        again = caller.post(PATH + "/", body, idempotency_key="a")

        assert (again.status_code, again["Location"]) == (202, first["Location"])
        assert TaskStatus.objects.count() == 1

    def test_a_repetition_shows_how_the_run_stands_by_now(self, caller: Caller) -> None:
        caller.post(PATH, {"Type": "Work"}, idempotency_key="a")
        TaskStatus.objects.update(state=State.SUCCEEDED, finished_at=clock.now())

        again = caller.post(PATH, {"Type": "Work"}, idempotency_key="a")

        assert again.json()["Complete"] is True

    def test_the_same_key_with_another_body_is_409(self, caller: Caller) -> None:
        caller.post(PATH, {"Type": "Work", "Parameters": {"Steps": 1}}, idempotency_key="a")

        answer = caller.post(
            PATH, {"Type": "Work", "Parameters": {"Steps": 2}}, idempotency_key="a"
        )

        assert (answer.status_code, list(answer.json())) == (409, ["Message"])
        assert TaskStatus.objects.count() == 1

    def test_another_user_has_keys_of_their_own(self, caller: Caller) -> None:
        other = Caller(factories.actor(account=caller.actor.account))

        caller.post(PATH, {"Type": "Work"}, idempotency_key="a")
        other.post(PATH, {"Type": "Work"}, idempotency_key="a")

        assert TaskStatus.objects.count() == 2

    def test_a_key_is_forgotten_after_a_day(self, caller: Caller) -> None:
        caller.post(PATH, {"Type": "Work"}, idempotency_key="a")
        IdempotencyKey.objects.update(created_at=clock.now() - timedelta(hours=25))

        caller.post(PATH, {"Type": "Work"}, idempotency_key="a")

        assert TaskStatus.objects.count() == 2

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed"])
    def test_a_key_that_is_none_is_403(self, caller: Caller, key: str) -> None:
        answer = caller.post(PATH, {"Type": "Work"}, idempotency_key=key)

        assert (answer.status_code, list(answer.json())) == (403, ["Message"])
        assert nothing_is_stored()

    def test_a_refused_submission_leaves_its_key_free(self, caller: Caller) -> None:
        caller.post(PATH, {"Type": "Nope"}, idempotency_key="a")

        assert caller.post(PATH, {"Type": "Work"}, idempotency_key="a").status_code == 202


class TestRetry:
    def test_a_finished_task_runs_again_as_a_new_run(self, caller: Caller) -> None:
        old = factories.run(State.FAILED, owner=caller.actor)

        answer = caller.post(f"/api/backgroundtask/work-{old.pk}/retry")

        new = TaskStatus.objects.exclude(pk=old.pk).get()
        assert answer.status_code == 202
        assert answer["Location"] == answer.json()["Self"]
        assert answer.json()["Id"] == f"work-{new.pk}"
        assert (new.task_id, new.retry_of_id) == (old.task_id, old.pk)

    def test_an_unfinished_one_is_409(self, caller: Caller) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor)

        answer = caller.post(f"/api/backgroundtask/work-{run.pk}/retry/")

        assert (answer.status_code, list(answer.json())) == (409, ["Message"])
        assert TaskStatus.objects.count() == 1

    def test_a_repetition_with_a_key_makes_one_run(self, caller: Caller) -> None:
        old = factories.run(State.FAILED, owner=caller.actor)
        path = f"/api/backgroundtask/work-{old.pk}/retry"

        first = caller.post(path, idempotency_key="a")
        again = caller.post(path, idempotency_key="a")

        assert first["Location"] == again["Location"]
        assert TaskStatus.objects.count() == 2

    def test_a_viewer_may_not(self) -> None:
        viewer = Caller(factories.actor(role="viewer"))
        run = factories.run(State.FAILED, owner=viewer.actor)

        assert viewer.post(f"/api/backgroundtask/work-{run.pk}/retry").status_code == 403
        assert TaskStatus.objects.count() == 1

    def test_a_foreign_one_is_404(self, caller: Caller) -> None:
        foreign = factories.run(State.FAILED)

        assert caller.post(f"/api/backgroundtask/work-{foreign.pk}/retry").status_code == 404


class TestCancel:
    def test_a_waiting_task_is_cancelled_at_once(self, caller: Caller) -> None:
        run = factories.run(State.QUEUED, owner=caller.actor)

        answer = caller.post(f"/api/backgroundtask/work-{run.pk}/cancel")

        assert answer.status_code == 200
        assert (answer.json()["State"], answer.json()["Complete"]) == ("cancelled", False)
        assert answer.json()["Error"] == f"Cancelled by {caller.actor.user.username}."

    def test_a_running_task_is_asked_to_stop(self, caller: Caller) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor)

        answer = caller.post(f"/api/backgroundtask/work-{run.pk}/cancel")

        assert (answer.status_code, answer.json()["State"]) == (200, "cancelling")

    def test_a_finished_task_is_409(self, caller: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=caller.actor)

        answer = caller.post(f"/api/backgroundtask/work-{run.pk}/cancel")

        run.refresh_from_db()
        assert (answer.status_code, list(answer.json())) == (409, ["Message"])
        assert run.state == State.SUCCEEDED

    def test_an_unknown_one_is_404(self, caller: Caller) -> None:
        answer = caller.post(f"/api/backgroundtask/work-{uuid.uuid4()}/cancel")

        assert answer.status_code == 404
