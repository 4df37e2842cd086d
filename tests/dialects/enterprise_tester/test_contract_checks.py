"""The nine checks at the end of the contract, in its order, each from the request to the end of its task."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from backgroundtasks import clock
from backgroundtasks.api import watcher
from backgroundtasks.api.enterprise_tester import progress_stream
from backgroundtasks.lifecycle import flushing
from backgroundtasks.models import Account, TaskStatus
from tests.support import factories
from tests.support.answers import body, message
from tests.support.drained import drain
from tests.support.http import Caller, basic
from tests.support.projects import AssignmentFactory, ExternalSystemLinkFactory, StepResultFactory
from tests.support.uploads import file_store
from tests.support.waiting import wait_for
from tickets import trackers
from tickets.connections import tracker_of
from tickets.models import ExternalSystemLink, Incident, Project, StepResult

pytestmark = pytest.mark.django_db

__all__ = ["file_store"]

HOST = "http://testserver"
LINK = "LinkTicketToStepResult"


@pytest.fixture
def step(project: Project) -> StepResult:
    return StepResultFactory.create(run__assignment__script__project=project, outcome="Failed")


def start(caller: Caller, task_type: str, **parameters: Any) -> Any:
    return caller.post("/api/backgroundtasks", {"Type": task_type, "Parameters": parameters})


def polled(caller: Caller, task: Any) -> Any:
    return body(caller.get(task["Self"].removeprefix(HOST)))


def ended(caller: Caller, answer: Any) -> Any:
    """Do the work, and return how the task of a 202 stands."""
    task = body(answer, 202)
    drain()
    return polled(caller, task)


def filed(link: ExternalSystemLink) -> trackers.Ticket:
    draft = trackers.Draft(summary="Refund is not rounded", mark=uuid.uuid4().hex)
    return tracker_of(link).create(draft)


def test_1_a_reindex_is_accepted_and_polled_to_its_end(caller: Caller, project: Project) -> None:
    answer = start(caller, "Reindex", Optimize=False, ProjectId=str(project.pk))

    accepted = body(answer, 202)
    assert answer["Location"] == accepted["Self"]
    assert 0 <= accepted["ProgressInPercent"] <= 1
    done = ended(caller, answer)
    assert done["Complete"] is True
    assert done["FinishedAt"] >= done["StartedAt"]
    assert done["Message"] == "Task Completed"


@pytest.mark.django_db(transaction=True)
def test_2_a_streamed_reindex_shows_elements_before_its_end(
    caller: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_IDLE", timedelta(milliseconds=20))
    asked = {
        "Type": "Reindex",
        "StreamProgress": True,
        "Parameters": {"Optimize": True, "ProjectId": str(project.pk)},
    }
    answer = caller.post("/api/backgroundtasks", asked)
    pieces = iter(answer.streaming_content)

    text = next(pieces)
    early = json.loads(text + b"]")
    drain()
    elements = json.loads(text + b"".join(pieces))

    assert (answer.status_code, len(early)) == (202, 1)
    assert [element["Complete"] for element in elements] == [False] * (len(elements) - 1) + [True]
    assert {element["Id"] for element in elements} == {early[0]["Id"]}
    assert polled(caller, early[0]) == elements[-1]
    wait_for(lambda: progress_stream.open_streams() == 0, "the stream to close")
    wait_for(lambda: not _watching(), "the watcher to end")


def _watching() -> bool:
    import threading

    return any(thread.name == "backgroundtasks-watcher" for thread in threading.enumerate())


def test_3_unknown_and_flushed_tasks_are_404_and_other_methods_405(
    caller: Caller, project: Project
) -> None:
    assert message(caller.get(f"/api/backgroundtask/reindex-{uuid.uuid4()}"), 404)
    done = ended(caller, start(caller, "Reindex"))
    path = done["Self"].removeprefix(HOST)
    for method in ("DELETE", "PUT"):
        answer = caller.call(method, path)
        assert message(answer, 405)
        assert "GET" in answer["Allow"]

    run = TaskStatus.objects.get()
    TaskStatus.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    flushing.drop_run(run.pk, run.task_id)

    assert message(caller.get(path), 404)


def test_4_bodies_and_paths_as_typed_clients_write_them_are_taken(
    caller: Caller, project: Project
) -> None:
    sent = {
        "Links": [],
        "Expands": [],
        "StreamProgress": None,
        "Type": "Reindex",
        "Parameters": {"ProjectId": str(project.pk).upper()},
    }

    accepted = body(caller.post("/api/backgroundtasks/", sent), 202)

    assert polled(caller, accepted)["Id"] == accepted["Id"]
    assert body(caller.get(f"/api/Project/{str(project.pk).upper()}"))["Id"] == str(project.pk)


class TestStepResults:
    """Check 5."""

    def test_5_an_unknown_key_is_500(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        assert message(start(caller, LINK, StepResultId=str(step.pk), Key="TST-9"), 500)

    def test_5_success_makes_incident_and_link_and_a_repetition_is_500(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        ticket = filed(link)
        ask = {"StepResultId": str(step.pk), "Key": ticket.key}

        assert ended(caller, start(caller, LINK, **ask))["Complete"] is True

        [row] = body(caller.get(f"/api/stepresult/{step.pk}/incidents"))["Items"]
        assert row["IncidentId"] == str(Incident.objects.get().pk)
        assert body(caller.get(f"/api/stepresult/{step.pk}"))["HasIncidents"] is True
        assert message(start(caller, LINK, **ask), 500)

    def test_5_an_ambiguous_key_needs_the_link(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        other = ExternalSystemLinkFactory.create(project=link.project, tracker_project="WEB")
        for one in (link, other):
            filed(one)
        ask = {"StepResultId": str(step.pk), "Key": "1"}

        assert message(start(caller, LINK, **ask), 500)
        chosen = start(caller, LINK, **ask, ExternalSystemLinkId=str(other.pk))
        assert ended(caller, chosen)["Complete"] is True

    def test_5_an_existing_incident_is_used_again(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        ticket = filed(link)
        for one in (step, StepResultFactory.create(run=step.run)):
            assert ended(caller, start(caller, LINK, StepResultId=str(one.pk), Key=ticket.key))[
                "Complete"
            ]

        assert Incident.objects.count() == 1


def test_6_a_ticket_leads_to_its_incident(caller: Caller, link: ExternalSystemLink) -> None:
    filed(link)
    search = f"/api/project/{link.project_id}/tickets?q=refund"
    [ticket] = body(caller.get(search))["Items"]
    [onward] = [one["Href"] for one in ticket["Links"] if one["Rel"] == "StartCreateIncident"]

    answer = caller.post(onward.removeprefix(HOST), b"")
    accepted = body(answer, 202)
    done = ended(caller, answer)

    assert (accepted["TotalElements"], accepted["ProcessedElements"]) == (0, 0)
    assert (accepted["ProgressInPercent"], accepted["Message"]) == (0.0, None)
    assert done["IncidentId"] == str(Incident.objects.get().pk)
    assert body(caller.get(search))["Items"][0]["IncidentId"] == done["IncidentId"]


def test_7_a_deleted_project_is_404(caller: Caller, project: Project) -> None:
    path = f"/api/project/{project.pk}"

    answer = caller.call("DELETE", path)

    assert body(answer, 202)["Id"].startswith("deleteproject-")
    assert ended(caller, answer)["Complete"] is True
    assert message(caller.get(path), 404)


def test_8_a_failing_import_is_200_with_its_error(
    caller: Caller, account: Account, file_store: Any
) -> None:
    assignment = AssignmentFactory.create(account=account, automated_test__account=account)
    broken = SimpleUploadedFile("report.xml", b"<testsuite><testcase")
    answer = caller._client.post(
        f"/api/automatedtestassignment/{assignment.pk}/runs",
        {"report": broken},
        headers=caller.headers,
    )

    failed = ended(caller, answer)

    assert failed["Complete"] is False
    assert failed["Error"]
    for run in body(caller.get("/api/backgroundtasks"))["Items"]:
        assert not (run["Complete"] and run.get("Error"))


def test_9_a_wrong_password_is_401_and_a_missing_right_403(account: Account) -> None:
    viewer = factories.actor(role="viewer", account=account)
    stranger = Caller(viewer, authorization=basic(viewer.user.username, "wrong"))

    refused = stranger.get("/api/projects")

    assert message(refused, 401)
    assert refused["WWW-Authenticate"] == 'Basic realm="Enterprise Tester"'
    assert message(start(Caller(viewer), "Reindex"), 403)
