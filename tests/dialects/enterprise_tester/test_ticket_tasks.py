"""The task types that bring tickets and incidents together (section 2.8)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks.models import Account, TaskStatus
from tests.support import factories
from tests.support.answers import body, message
from tests.support.drained import drain
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunStepFactory,
    ExternalSystemLinkFactory,
    IncidentFactory,
    NodeFactory,
    ProjectFactory,
    StepResultFactory,
    send,
)
from tests.support.trackers.hostile import Hostile, hang
from tests.support.waiting import wait_for
from tickets import asking, credentials, trackers
from tickets.connections import tracker_of
from tickets.models import (
    Backlink,
    BuiltinBacklink,
    BuiltinTicket,
    ExternalSystem,
    ExternalSystemLink,
    ExternalTicket,
    Incident,
    Project,
    StepResult,
    StepResultIncident,
)
from tickets.trackers.builtin import BuiltinTracker

pytestmark = pytest.mark.django_db

HOST = "http://testserver"


@pytest.fixture
def step(project: Project) -> StepResult:
    return StepResultFactory.create(run__assignment__script__project=project, outcome="Failed")


def filed(link: ExternalSystemLink, summary: str = "Refund is not rounded") -> trackers.Ticket:
    draft = trackers.Draft(summary=summary, mark=uuid.uuid4().hex)
    return tracker_of(link).create(draft)


def start(caller: Caller, task_type: str, **parameters: Any) -> Any:
    return caller.post("/api/backgroundtasks", {"Type": task_type, "Parameters": parameters})


def ended(caller: Caller, task: Any) -> Any:
    """Work what is queued, and return how the task stands."""
    drain()
    return body(caller.get(task["Self"].removeprefix(HOST)))


def _step_result(project: Project) -> tuple[str, dict[str, str], str]:
    step = StepResultFactory.create(run__assignment__script__project=project)
    return "LinkTicketToStepResult", {"StepResultId": str(step.pk)}, f"/api/stepresult/{step.pk}"


def _agile_step(project: Project) -> tuple[str, dict[str, str], str]:
    step = AgileRunStepFactory.create(run__package__project=project)
    ids = {"AgileRunId": str(step.run_id), "StepId": str(step.pk)}
    return "LinkTicketToAgileRunStep", ids, f"/api/agilerun/{step.run_id}/step/{step.pk}"


def _node(project: Project) -> tuple[str, dict[str, str], str]:
    node = NodeFactory.create(run__assignment__automated_test__project=project)
    ids = {"AutomatedTestRunId": str(node.run_id), "ResultNodeId": str(node.pk)}
    path = f"/api/automatedtestrun/{node.run_id}/node/{node.pk}"
    return "LinkTicketToAutomatedTestRunResultNode", ids, path


class TestLinkTicket:
    @pytest.mark.spec("enterprise_tester", "Background Tasks", "LinkTicketTo")
    @pytest.mark.parametrize("place", [_step_result, _agile_step, _node])
    def test_finds_the_ticket_and_links_an_incident(
        self, caller: Caller, link: ExternalSystemLink, place: Callable[..., Any]
    ) -> None:
        task_type, ids, path = place(link.project)
        ticket = filed(link)

        answer = start(caller, task_type, **ids, Key="tst-1")
        accepted = body(answer, 202)
        done = ended(caller, accepted)

        assert accepted["Id"].startswith(f"{task_type.lower()}_")
        assert answer["Location"] == accepted["Self"]
        incident = Incident.objects.get()
        assert (done["Complete"], done["TotalElements"], done["ProcessedElements"]) == (True, 3, 3)
        assert done["Message"] == "Task Completed"
        assert done["IncidentId"] == str(incident.pk)
        assert done["Links"] == [{"Href": f"{HOST}/api/incident/{incident.pk}", "Rel": "Incident"}]
        [row] = body(caller.get(f"{path}/incidents"))["Items"]
        assert row["IncidentId"] == str(incident.pk)
        shown = body(caller.get(f"/api/incident/{incident.pk}?$expand=ExternalKeys,Status,Type"))
        assert (shown["Summary"], shown["ExternalKeys"]) == (ticket.summary, ticket.key)
        assert (shown["Status"]["Name"], shown["Type"]["Name"]) == ("Open", "Bug")
        assert shown["ExternalSystemLinkIds"] == [str(link.pk)]
        found = body(caller.get(f"/api/externalsystemlink/{link.pk}/ticket/{ticket.id}"))
        assert found["IncidentId"] == str(incident.pk)

    def test_leaves_a_link_back_in_the_tracker(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, settings: Any
    ) -> None:
        settings.TICKETS = {"PUBLIC_URL": "https://tests.example.org/"}
        filed(link)

        ended(
            caller,
            body(
                start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1"), 202
            ),
        )

        back = BuiltinBacklink.objects.get()
        assert back.url == f"https://tests.example.org/api/stepresult/{step.pk}"
        assert back.title == f"Step {step.position + 1} of {step.run.assignment.script.name}"
        assert Backlink.objects.get().state == Backlink.State.MADE

    def test_a_second_ask_for_the_same_is_500(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        filed(link)
        ask = {"StepResultId": str(step.pk), "Key": "TST-1"}
        ended(caller, body(start(caller, "LinkTicketToStepResult", **ask), 202))

        again = start(caller, "LinkTicketToStepResult", **ask)

        assert message(again, 500) == "The ticket TST-1 is linked with this step result already."
        assert body(caller.get(f"/api/stepresult/{step.pk}"))["HasIncidents"] is True

    @pytest.mark.parametrize("key", ["TST-99", "OTHER-1", "nonsense", "http://x.example.org/1"])
    def test_a_key_that_no_tracker_has_is_500(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, key: str
    ) -> None:
        answer = start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key=key)

        assert key in message(answer, 500)
        assert not TaskStatus.objects.exists()
        assert not Incident.objects.exists()

    def test_a_secret_in_a_pasted_url_is_kept_nowhere(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        ticket = filed(link)
        ask = {"StepResultId": str(step.pk)}
        # A ticket's address on our own host, as the built-in tracker shows it.
        good = f"https://kim:hunter2@tests.example.org{ticket.url}?token=hunter2"
        wrong = "https://kim:hunter2@elsewhere.example.org/1?token=hunter2"

        refusal = message(start(caller, "LinkTicketToStepResult", **ask, Key=wrong), 500)
        done = ended(caller, body(start(caller, "LinkTicketToStepResult", **ask, Key=good), 202))

        assert "hunter2" not in refusal
        assert done["Complete"] is True
        assert "hunter2" not in json.dumps(TaskStatus.objects.get().task.parameters)

    def test_a_ticket_of_another_project_of_the_tracker_is_500(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        other = ExternalSystemLinkFactory.create(
            project=ProjectFactory.create(account=link.account), tracker_project="WEB"
        )
        theirs = filed(other)
        ask = {"StepResultId": str(step.pk)}

        by_key = start(caller, "LinkTicketToStepResult", **ask, Key=theirs.key)
        by_url = start(caller, "LinkTicketToStepResult", **ask, Key=theirs.url)

        assert "is not of the project 'TST'" in message(by_key, 500)
        assert "has no ticket" in message(by_url, 500)

    def test_a_deleted_ticket_is_500_and_in_a_run_its_end(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        ticket = filed(link)
        ask = {"StepResultId": str(step.pk), "Key": ticket.key}
        task = body(start(caller, "LinkTicketToStepResult", **ask), 202)
        BuiltinTicket.objects.all().delete()

        refusal = message(start(caller, "LinkTicketToStepResult", **ask), 500)
        failed = ended(caller, task)

        assert "has no ticket 'TST-1'" in refusal
        assert failed["Error"] == refusal

    def test_a_step_that_was_removed_meanwhile_ends_the_run(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        filed(link)
        ask = {"StepResultId": str(step.pk), "Key": "TST-1"}
        task = body(start(caller, "LinkTicketToStepResult", **ask), 202)
        step.delete()

        failed = ended(caller, task)

        assert failed["Error"] == f"The step result {ask['StepResultId']} does not exist."
        assert not Incident.objects.exists()

    def test_a_link_of_another_project_of_the_account_is_403(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        other = ExternalSystemLinkFactory.create(
            project=ProjectFactory.create(account=link.account), tracker_project="WEB"
        )
        filed(other)
        ask = {"StepResultId": str(step.pk), "Key": "1", "ExternalSystemLinkId": str(other.pk)}

        answer = start(caller, "LinkTicketToStepResult", **ask)

        assert message(answer, 403) == f"The external system link {other.pk} is another project's."

    def test_without_a_tracker_nothing_is_found(self, caller: Caller, step: StepResult) -> None:
        answer = start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1")

        assert message(answer, 500) == "The project has no defect tracker to find 'TST-1' in."

    def test_a_key_of_two_trackers_needs_the_link(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        other = ExternalSystemLinkFactory.create(
            project=link.project, tracker_project="WEB", name="Web"
        )
        filed(link)
        filed(other, "Page is blank")
        ask = {"StepResultId": str(step.pk), "Key": "1"}

        refusal = message(start(caller, "LinkTicketToStepResult", **ask), 500)
        chosen = {**ask, "ExternalSystemLinkId": str(other.pk)}
        done = ended(caller, body(start(caller, "LinkTicketToStepResult", **chosen), 202))

        assert "ambiguous" in refusal
        assert "Bugs, Web" in refusal
        assert "ExternalSystemLinkId" in refusal
        assert done["Complete"] is True
        assert ExternalTicket.objects.get().link == other

    @pytest.mark.parametrize("none", [None, "", str(uuid.UUID(int=0))])
    def test_a_typed_client_leaves_the_tracker_out_in_its_way(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, none: Any
    ) -> None:
        ask = {"StepResultId": str(step.pk), "Key": filed(link).key, "ExternalSystemLinkId": none}

        done = ended(caller, body(start(caller, "LinkTicketToStepResult", **ask), 202))

        assert done["Complete"] is True

    def test_an_incident_that_is_there_is_used(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        filed(link)
        second = StepResultFactory.create(run=step.run)
        for one in (step, second):
            ask = {"StepResultId": str(one.pk), "Key": "TST-1"}
            ended(caller, body(start(caller, "LinkTicketToStepResult", **ask), 202))

        assert Incident.objects.count() == ExternalTicket.objects.count() == 1
        assert StepResultIncident.objects.count() == 2

    def test_of_two_at_one_moment_one_links_and_the_other_says_so(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        filed(link)
        ask = {"StepResultId": str(step.pk), "Key": "TST-1"}
        both = [body(start(caller, "LinkTicketToStepResult", **ask), 202) for _ in range(2)]

        ends = [ended(caller, task) for task in both]

        assert sorted(end["Complete"] for end in ends) == [False, True]
        [failed] = [end for end in ends if not end["Complete"]]
        assert failed["Error"] == "The ticket TST-1 is linked with this step result already."
        assert StepResultIncident.objects.count() == 1

    @pytest.mark.parametrize(
        "change, text",
        [
            (
                {"StepResultId": str(uuid.UUID(int=7))},
                "The step result 00000000-0000-0000-0000-000000000007 does not exist.",
            ),
            ({"StepResultId": "x"}, "StepResultId"),
            ({"Key": ""}, "Key: This field may not be blank."),
            ({"ExternalSystemLinkId": str(uuid.UUID(int=7))}, "does not exist"),
            ({"Unheard": 1}, "There is no parameter of this name."),
        ],
    )
    def test_what_is_not_valid_is_403(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, change: Any, text: str
    ) -> None:
        ask = {"StepResultId": str(step.pk), "Key": "TST-1", **change}

        assert text in message(start(caller, "LinkTicketToStepResult", **ask), 403)
        assert not TaskStatus.objects.exists()

    def test_a_step_or_a_tracker_of_others_is_not_there(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        foreign = {"StepResultId": str(StepResultFactory.create().pk), "Key": "TST-1"}
        theirs = {
            "StepResultId": str(step.pk),
            "Key": "TST-1",
            "ExternalSystemLinkId": str(ExternalSystemLinkFactory.create().pk),
        }

        for ask in (foreign, theirs):
            assert message(start(caller, "LinkTicketToStepResult", **ask), 403)

    def test_a_viewer_may_not(
        self, account: Account, link: ExternalSystemLink, step: StepResult
    ) -> None:
        viewer = Caller(factories.actor(role="viewer", account=account))

        answer = start(viewer, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1")

        assert "needs the role member" in message(answer, 403)

    def test_a_tracker_that_is_switched_off_is_not_asked(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        filed(link)
        admin = Caller(factories.actor(role="admin", account=link.account))
        send(admin, "PATCH", f"/api/externalsystemlink/{link.pk}", {"Enabled": False})

        answer = start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1")

        assert "no defect tracker" in message(answer, 500)


class TestTrackerAway:
    """What is not decided before the 202 is decided in the run."""

    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
        """Let the tracker fail for as long as an error stands here, by the name of the method."""
        failing: dict[str, Any] = {}
        for name in ("look_up", "backlink"):
            real = getattr(BuiltinTracker, name)

            def asked(tracker: Any, *given: Any, _real: Any = real, _name: str = name) -> Any:
                if _name in failing:
                    raise failing[_name]
                return _real(tracker, *given)

            monkeypatch.setattr(BuiltinTracker, name, asked)
        return failing

    def test_the_task_is_accepted_and_tries_again(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, away: dict[str, Any]
    ) -> None:
        filed(link)
        away["look_up"] = trackers.errors.Throttled("Bugs", timedelta(seconds=90))
        task = body(
            start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1"), 202
        )

        waiting = ended(caller, task)
        run = TaskStatus.objects.get()
        due_in = run.run_after - run.queued_at
        del away["look_up"]
        TaskStatus.objects.update(run_after=run.queued_at)
        done = ended(caller, task)

        assert (waiting["Complete"], waiting["State"]) == (False, "scheduled")
        assert due_in >= timedelta(seconds=85)
        assert done["Complete"] is True
        assert StepResultIncident.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_one_that_says_nothing_for_too_long_is_no_refusal(
        self,
        caller: Caller,
        link: ExternalSystemLink,
        step: StepResult,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.TICKETS = {
            **settings.TICKETS,
            "TRACKER_HTTP": True,
            "TRACKER_NETWORKS": ["127.0.0.0/8"],
            "TRACKER_READ_TIMEOUT": timedelta(seconds=2),
        }
        monkeypatch.setattr(asking, "BEFORE_ACCEPTING", 0.2)
        with Hostile() as silent:
            silent.sins["/rest/data/issue/1"] = hang
            system = link.external_system
            system.kind, system.base_url, system.user_name = "roundup", silent.url, "bot"
            credentials.keep(system, "botpw")
            system.save()
            type(link).objects.update(tracker_project="")

            answer = start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="#1")

            assert body(answer, 202)["State"] == "queued"
            wait_for(lambda: silent.requests, "the tracker to be asked")
        # Its thread was left alone with it; it ends, and says what it found.
        wait_for(lambda: ExternalSystem.objects.get().failures, "the tracker's failure")

    def test_a_key_that_turns_out_wrong_fails_the_run(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, away: dict[str, Any]
    ) -> None:
        away["look_up"] = trackers.errors.TrackerUnreachable("Bugs", "it is off")
        task = body(
            start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-9"), 202
        )
        del away["look_up"]

        failed = ended(caller, task)

        assert (failed["Complete"], failed["State"]) == (False, "failed")
        assert "no ticket 'TST-9'" in failed["Error"]

    def test_a_link_back_that_must_wait_makes_nothing_twice(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, away: dict[str, Any]
    ) -> None:
        filed(link)
        away["backlink"] = trackers.errors.TrackerUnreachable("Bugs", "it is off")
        task = body(
            start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1"), 202
        )
        ended(caller, task)
        wanted = Backlink.objects.get()
        del away["backlink"]
        TaskStatus.objects.update(run_after=TaskStatus.objects.get().queued_at)

        done = ended(caller, task)

        assert (wanted.state, "it is off" in wanted.problem) == (Backlink.State.WANTED, True)
        assert done["State"] == "succeeded"
        assert Incident.objects.count() == StepResultIncident.objects.count() == 1
        assert BuiltinBacklink.objects.count() == 1

    def test_a_link_back_that_is_refused_is_a_warning(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult, away: dict[str, Any]
    ) -> None:
        filed(link)
        away["backlink"] = trackers.errors.AccessRefused("Bugs", "comment")
        task = body(
            start(caller, "LinkTicketToStepResult", StepResultId=str(step.pk), Key="TST-1"), 202
        )

        done = ended(caller, task)

        assert (done["Complete"], done["State"]) == (True, "warned")
        assert done["Warnings"] == ["The ticket has no link back: Bugs does not let us comment."]
        assert Backlink.objects.get().state == Backlink.State.FAILED


class TestCreateTicketLink:
    def test_makes_an_incident_by_the_link_that_a_ticket_shows(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        filed(link)
        [ticket] = body(caller.get(f"/api/project/{link.project_id}/tickets?q=refund"))["Items"]
        onward = next(one for one in ticket["Links"] if one["Rel"] == "StartCreateIncident")

        answer = caller.post(onward["Href"].removeprefix(HOST), b"")
        task = body(answer, 202)
        done = ended(caller, task)

        assert task["Id"].startswith("ticketlinking_")
        assert (task["TotalElements"], task["ProgressInPercent"], task["Message"]) == (0, 0.0, None)
        assert answer["Location"] == task["Self"]
        incident = Incident.objects.get()
        assert (done["Complete"], done["TotalElements"], done["ProcessedElements"]) == (True, 2, 2)
        assert done["IncidentId"] == str(incident.pk)
        assert done["Links"] == [{"Href": f"{HOST}/api/incident/{incident.pk}", "Rel": "Incident"}]
        [after] = body(caller.get(f"/api/project/{link.project_id}/tickets?q=refund"))["Items"]
        assert after["IncidentId"] == str(incident.pk)
        assert {one["Rel"] for one in after["Links"]} == {"Incident", "ExternalSystemLink"}

    def test_once_for_a_ticket(self, caller: Caller, link: ExternalSystemLink) -> None:
        ticket = filed(link)
        ask = {"TicketId": ticket.id, "ExternalSystemLinkId": str(link.pk)}
        ended(caller, body(start(caller, "CreateTicketLink", **ask), 202))

        refusal = message(start(caller, "CreateTicketLink", **ask), 500)

        assert refusal == "The ticket TST-1 is kept in step with an incident already."
        assert Incident.objects.count() == 1

    def test_an_unknown_ticket_is_500_and_an_unknown_link_404(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        path = f"/api/externalsystemlink/{link.pk}/ticket/77/link"

        assert "no ticket '77'" in message(caller.post(path, b""), 500)
        nowhere = path.replace(str(link.pk), str(uuid.UUID(int=7)))
        assert message(caller.post(nowhere, b""), 404)

    def test_makes_a_new_ticket_of_an_incident(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        incident = IncidentFactory.create(project=link.project, summary="Page is blank")
        ask = {"IncidentId": str(incident.pk), "ExternalSystemLinkId": str(link.pk)}

        done = ended(caller, body(start(caller, "CreateTicketLink", **ask), 202))
        again = start(caller, "CreateTicketLink", **ask)

        assert done["IncidentId"] == str(incident.pk)
        assert BuiltinTicket.objects.get().summary == "Page is blank"
        shown = body(caller.get(f"/api/incident/{incident.pk}?$expand=ExternalKeys"))
        assert shown["ExternalKeys"] == "TST-1"
        refusal = "The incident has the ticket TST-1 in this tracker already."
        assert message(again, 500) == refusal

    @pytest.mark.parametrize(
        "ask", [{}, {"TicketId": "1", "IncidentId": str(uuid.UUID(int=7))}], ids=["none", "both"]
    )
    def test_a_ticket_or_an_incident_is_wanted(
        self, caller: Caller, link: ExternalSystemLink, ask: dict[str, str]
    ) -> None:
        answer = start(caller, "CreateTicketLink", **ask, ExternalSystemLinkId=str(link.pk))

        assert "one of the two" in message(answer, 403)

    def test_an_incident_of_others_is_not_there(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        incident = IncidentFactory.create()
        ask = {"IncidentId": str(incident.pk), "ExternalSystemLinkId": str(link.pk)}

        assert "does not exist" in message(start(caller, "CreateTicketLink", **ask), 403)

    def test_is_answered_once_for_one_idempotency_key(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        ticket = filed(link)
        path = f"/api/externalsystemlink/{link.pk}/ticket/{ticket.id}/link"

        first = body(caller.post(path, b"", Idempotency_Key="one"), 202)
        ended(caller, first)
        again = body(caller.post(path, b"", Idempotency_Key="one"), 202)

        assert again["Id"] == first["Id"]


class TestSynchronize:
    """`SynchronizeExternalSystem`, ours."""

    def test_counts_what_it_did_and_moves_the_link_on(
        self, caller: Caller, link: ExternalSystemLink, step: StepResult
    ) -> None:
        ticket = filed(link)
        ask = {"StepResultId": str(step.pk), "Key": "TST-1"}
        ended(caller, body(start(caller, "LinkTicketToStepResult", **ask), 202))
        tracker_of(link).change(ticket.id, trackers.Change(status="Done"))

        done = ended(
            caller,
            body(
                start(
                    caller,
                    "SynchronizeExternalSystem",
                    ExternalSystemId=str(link.external_system_id),
                    ExternalSystemLinkId=str(link.pk),
                ),
                202,
            ),
        )

        assert (done["Complete"], done["Pulled"], done["Failed"]) == (True, 1, 0)
        [incident] = body(caller.get("/api/incidents?$expand=Status"))["Items"]
        assert incident["Status"]["Name"] == "Done"
        after = body(caller.get(f"/api/externalsystemlink/{link.pk}"))
        assert after["LastSynchronizedAt"] is not None

    def test_what_is_not_the_accounts_or_switched_off_is_403(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        foreign = ExternalSystemLinkFactory.create()
        other = ExternalSystemLinkFactory.create(project=link.project)

        def refused(system: ExternalSystemLink, **more: str) -> str:
            system_id = str(system.external_system_id)
            answer = start(caller, "SynchronizeExternalSystem", ExternalSystemId=system_id, **more)
            return message(answer, 403)

        assert "does not exist" in refused(foreign)
        assert "does not exist" in refused(link, ExternalSystemLinkId=str(foreign.pk))
        assert "is not of" in refused(link, ExternalSystemLinkId=str(other.pk))
        type(link.external_system).objects.update(enabled=False)
        assert "is switched off" in refused(link)
