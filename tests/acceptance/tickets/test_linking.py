"""Failing tests are linked with a real Roundup, whatever is stopped or killed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import transaction

from backgroundtasks import clock, operations
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.factories import MembershipFactory
from tests.support.http import Server, token
from tests.support.linking import WORDS, Bench
from tests.support.projects import ExternalSystemFactory, IncidentFactory
from tests.support.reports import report
from tests.support.trackers.gate import Gate
from tests.support.trackers.roundup import PASSWORD, USER, RoundupPlace, RoundupServer
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, exists, kill
from tickets import backlinks, credentials, incidents, linking, new_tickets
from tickets.models import (
    Backlink,
    BuiltinBacklink,
    ExternalSystemLink,
    ExternalTicket,
    Incident,
    IncidentComment,
    Picklist,
    StepResult,
    StepResultIncident,
    TicketWriter,
)
from tickets.trackers import Change

#: A run waits for it, so that the gate can be shut before a worker begins.
LATER = timedelta(days=1)

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    """Let this process and those that it starts reach what runs on this machine."""
    monkeypatch.setenv("TASKCENTER_TRACKER_HTTP", "on")
    monkeypatch.setenv("TASKCENTER_TRACKER_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("TASKCENTER_FILES_DIR", str(tmp_path / "files"))
    settings.TICKETS = {
        **settings.TICKETS,
        "TRACKER_HTTP": True,
        "TRACKER_NETWORKS": ["127.0.0.0/8"],
    }


@pytest.fixture
def roundup(tmp_path: Path) -> Iterator[RoundupPlace]:
    server = RoundupServer(tmp_path / "roundup")
    yield RoundupPlace(server)
    server.stop()


class TestKilledAnywhere:
    """SIGKILL for the worker while a request of its stands at the gate."""

    @pytest.fixture
    def gate(self, roundup: RoundupPlace) -> Iterator[Gate]:
        with Gate(roundup.server.url) as gate:
            yield gate

    @pytest.fixture
    def bench(self, gate: Gate) -> Bench:
        bench = Bench()
        system = ExternalSystemFactory.build(
            account=bench.actor.account, kind="roundup", base_url=gate.url, user_name=USER
        )
        credentials.keep(system, PASSWORD)
        system.save()
        bench.link.delete()
        bench.link = bench.linked("", external_system=system)
        return bench

    def killed_at(
        self,
        request: str,
        when: str,
        gate: Gate,
        command: WorkerCommand,
        start: Any,
        *,
        passing: int = 0,
        meanwhile: Callable[[], Any] = bool,
    ) -> TaskStatus:
        """
        Start a task, kill its worker where the gate is shut, and return the run at its end.

        Args:
            request: Of the worker.
            when: `before` the tracker has seen it, or `after` it has answered.
            gate: Before the tracker.
            command: The workers'.
            start: Submits the task.
            passing: Requests like it that are let through before.
            meanwhile: Done while the worker stands there.
        """
        killed = {worker.pid for worker in command.workers()}
        submitted = start()
        gate.shut(request, after=when == "after", passing=passing)
        TaskStatus.objects.filter(pk=submitted.run_id).update(run_after=clock.now())
        assert gate.reached.wait(60), f"nobody asked {request}"
        meanwhile()
        for pid in killed:
            kill(pid)
        gate.open()
        # The dead worker's right to write is given up in time; no need to wait for that here.
        TicketWriter.objects.all().delete()

        def ended() -> bool:
            TaskStatus.objects.filter(state=State.SCHEDULED).update(run_after=clock.now())
            return TaskStatus.objects.get(pk=submitted.run_id).state in FINAL

        wait_for(
            ended, lambda: f"the run killed {when} {request} to end; {command.log()}", limit=90
        )
        return TaskStatus.objects.get(pk=submitted.run_id)

    def test_one_incident_one_link_one_way_back(
        self, roundup: RoundupPlace, gate: Gate, bench: Bench
    ) -> None:
        steps = (
            ("GET /demo/rest/data/issue/", "before"),
            ("GET /demo/rest/data/issue/", "after"),
            ("POST /demo/rest/data/msg", "before"),
            ("POST /demo/rest/data/msg", "after"),
            ("PATCH /demo/rest/data/issue/", "before"),
            ("PATCH /demo/rest/data/issue/", "after"),
        )
        with WorkerCommand(workers=1) as command:
            for number, (request, when) in enumerate(steps):
                ticket = roundup.made(f"Number {number}")
                # Each of the three, at two steps.
                failed = bench.failed(WORDS[number % len(WORDS)])
                parameters = {**failed.parameters, "Key": ticket.key}

                def start(parameters: Any = parameters, failed: Any = failed) -> Any:
                    return operations.submit(
                        bench.actor,
                        failed.handler.task_type,
                        parameters,
                        run_after=clock.now() + LATER,
                    )

                run = self.killed_at(request, when, gate, command, start)

                assert run.state == State.SUCCEEDED, run.error
                outcomes = Attempt.objects.filter(run=run).values_list("outcome", flat=True)
                assert "died" in outcomes
                row = ExternalTicket.objects.get(ticket_id=ticket.id)
                assert row.key == ticket.key
                assert Incident.objects.filter(summary=ticket.summary).count() == 1
                assert getattr(row.incident, failed.links).count() == 1
                assert Backlink.objects.get(ticket=row).state == Backlink.State.MADE
                [back] = roundup.links(ticket.id)
                # A step of an agile run has no page of its own, but its incidents have.
                assert back.removesuffix("/incidents").endswith(f"/api/{failed.path}")

    @staticmethod
    def linking(bench: Bench, **one: str) -> Any:
        """Return what starts a `CreateTicketLink`."""
        parameters = {**one, "ExternalSystemLinkId": str(bench.link.pk)}
        return lambda: operations.submit(
            bench.actor, "CreateTicketLink", parameters, run_after=clock.now() + LATER
        )

    def test_one_incident_of_a_ticket(
        self, roundup: RoundupPlace, gate: Gate, bench: Bench
    ) -> None:
        steps = (
            ("GET /demo/rest/data/issue/", "after"),
            ("POST /demo/rest/data/msg", "after"),
            ("PATCH /demo/rest/data/issue/", "after"),
        )
        with WorkerCommand(workers=1) as command:
            for number, (request, when) in enumerate(steps):
                ticket = roundup.made(f"Number {number}")
                start = self.linking(bench, TicketId=ticket.id)

                run = self.killed_at(request, when, gate, command, start)

                assert run.state == State.SUCCEEDED, run.error
                row = ExternalTicket.objects.get(ticket_id=ticket.id)
                assert run.result["values"]["IncidentId"] == str(row.incident_id)
                assert Incident.objects.filter(summary=ticket.summary).count() == 1
                [back] = roundup.links(ticket.id)
                assert back.endswith(f"/api/incident/{row.incident_id}")

    def test_one_new_ticket(self, roundup: RoundupPlace, gate: Gate, bench: Bench) -> None:
        steps = (
            ("POST /demo/rest/data/msg", "after"),
            ("POST /demo/rest/data/issue", "before"),
            ("POST /demo/rest/data/issue", "after"),
            ("PATCH /demo/rest/data/issue/", "after"),
        )
        with WorkerCommand(workers=1) as command:
            for number, (request, when) in enumerate(steps):
                incident = IncidentFactory.create(project=bench.project, summary=f"New {number}")
                start = self.linking(bench, IncidentId=str(incident.pk))

                run = self.killed_at(request, when, gate, command, start)

                assert run.state == State.SUCCEEDED, run.error
                assert roundup.count(incident.summary) == 1
                row = ExternalTicket.objects.get(incident=incident)
                assert row.ticket_id is not None
                assert roundup.seen(row.ticket_id).summary == incident.summary
                [back] = roundup.links(row.ticket_id)
                assert back.endswith(f"/api/incident/{incident.pk}")

    def test_one_synchronisation(self, roundup: RoundupPlace, gate: Gate, bench: Bench) -> None:
        lists, issue = "GET /demo/rest/data/issue?activity", "/demo/rest/data/issue"
        steps = (
            # The first page was read and not written; the second one likewise, after the first was.
            (lists, 0, "after"),
            (lists, 1, "before"),
            (lists, 1, "after"),
            ("PUT {pushed}", 0, "before"),
            ("PUT {pushed}", 0, "after"),
            ("PUT {both}", 0, "before"),
            ("PUT {both}", 0, "after"),
            (f"POST {issue}", 0, "after"),
            # The first message is the new ticket's; what follows is the way back.
            ("POST /demo/rest/data/msg", 1, "after"),
            ("PATCH {pushed}", 0, "before"),
            ("PATCH {pushed}", 0, "after"),
        )
        dana = MembershipFactory.create(account=bench.actor.account, user__username="dana").user
        fillers = roundup.filled(100)
        with WorkerCommand(workers=1) as command:
            for number, (request, passing, when) in enumerate(steps):
                story = Story(roundup, bench, number, fillers)
                begun = clock.now()
                stood: list[datetime] = []

                def meanwhile(story: Story = story, stood: list[datetime] = stood) -> None:
                    stood.append(clock.now())
                    story.go_on(dana.pk)

                paths = {name: f"{issue}/{row.ticket_id}" for name, row in story.rows.items()}
                run = self.killed_at(
                    request.format(**paths),
                    when,
                    gate,
                    command,
                    story.start,
                    passing=passing,
                    meanwhile=meanwhile,
                )

                assert (run.state, run.result["values"]["Failed"]) == (State.SUCCEEDED, 0), request
                assert "died" in Attempt.objects.filter(run=run).values_list("outcome", flat=True)
                story.require_told_once(request)
                bench.link.refresh_from_db()
                synchronized = bench.link.last_synchronized_at
                assert bench.link.problem == ""
                assert synchronized is not None
                assert begun <= synchronized
                # What changed after the first page was read is in step by chance only.
                assert number == 0 or synchronized <= stood[0]

            again = story.start()
            TaskStatus.objects.filter(pk=again.run_id).update(run_after=clock.now())
            run = wait_for(
                lambda: TaskStatus.objects.filter(pk=again.run_id, state__in=FINAL).first(),
                "one more synchronisation",
                limit=90,
            )
            values = run.result["values"]

        assert set(values.values()) == {0}, values


class Story:
    """
    What a synchronisation has to do: one ticket of each kind, over two pages of changes.

    Args:
        roundup: The tracker.
        bench: The project.
        number: Of the story.
        fillers: Tickets that are nobody's here; they come between the first ticket and the others.
    """

    def __init__(
        self, roundup: RoundupPlace, bench: Bench, number: int, fillers: list[str]
    ) -> None:
        self._roundup, self._bench, self.number = roundup, bench, number
        pulled = self._linked("pulled")
        roundup.tracker().change(str(pulled.ticket_id), Change(status=roundup.other_status))
        roundup.touch(fillers, f"Filler of {number}")
        # Roundup itself changes the status of an unread one that is written to.
        pushed = self._linked("pushed", status=roundup.other_status)
        both = self._linked("both")
        self.rows = {"pulled": pulled, "pushed": pushed, "both": both}
        roundup.tracker().change(str(both.ticket_id), Change(status=roundup.other_status))
        done = linking.word(bench.project, Picklist.INCIDENT_STATUS, roundup.done_status)
        assert done is not None
        self._change(pushed, summary=f"pushed {number} here")
        self._change(both, summary=f"both {number} here", status_id=done.pk)
        wish = backlinks.wish(
            pushed,
            "incident",
            {"incident_id": pushed.incident_id},
            title="Refund",
            task_id=bench.project.pk,
        )
        assert wish is not None
        self.back = backlinks.keep(wish)
        new = Incident(account=bench.actor.account, project=bench.project, summary=f"new {number}")
        self.new = incidents.create(new, bench.actor.user.pk)
        new_tickets.wanted(self.new, bench.link, task_id=bench.project.pk)

    def _linked(self, name: str, **change: str) -> ExternalTicket:
        ticket = self._roundup.made(f"{name} {self.number}")
        if change:
            ticket = self._roundup.tracker().change(ticket.id, Change(**change))
        found = linking.Found(self._bench.link, ticket)
        task, user = self._bench.project.pk, self._bench.actor.user.pk
        with transaction.atomic():
            return linking.bring_together(found, task_id=task, user_id=user)

    def _change(self, row: ExternalTicket, **values: Any) -> None:
        with transaction.atomic():
            incidents.change(row.incident_id, self._bench.actor.user.pk, values)

    def start(self) -> Any:
        return operations.submit(
            self._bench.actor,
            "SynchronizeExternalSystem",
            {"ExternalSystemId": str(self._bench.link.external_system_id)},
            run_after=clock.now() + LATER,
        )

    def go_on(self, assignee_id: Any) -> None:
        """Change both sides while a worker is about to be killed."""
        pulled = str(self.rows["pulled"].ticket_id)
        self._roundup.tracker().change(pulled, Change(summary=f"pulled {self.number} there"))
        self._change(self.rows["pushed"], assigned_to_id=assignee_id)

    def require_told_once(self, why: str) -> None:
        """Assert that each side has what the other one changed, and nothing twice."""
        roundup = self._roundup
        seen = {name: roundup.seen(str(row.ticket_id)) for name, row in self.rows.items()}
        for name, row in self.rows.items():
            row.refresh_from_db()
            incident = Incident.objects.select_related("status", "assigned_to").get(
                pk=row.incident_id
            )
            assert row.problem == "", (why, name)
            assert incident.summary == seen[name].summary, (why, name)
            assert incident.status is not None
            assert incident.status.name.casefold() == seen[name].status, (why, name)
        number = self.number
        assert seen["pulled"].summary == f"pulled {number} there", why
        assert seen["pulled"].status == seen["both"].status == roundup.other_status, why
        assert (seen["pushed"].summary, seen["pushed"].assignee) == (
            f"pushed {number} here",
            "dana",
        )
        assert seen["both"].summary == f"both {number} here", why
        for name in ("pushed", "both"):
            ticket_id = str(self.rows[name].ticket_id)
            assert roundup.times_changed(ticket_id, "title") == 1, (why, name)
        comments = IncidentComment.objects.filter(
            incident__in=[row.incident_id for row in self.rows.values()]
        )
        assert [one.incident_id for one in comments] == [self.rows["both"].incident_id], why
        assert roundup.links(str(self.rows["pushed"].ticket_id)) == [self.back.url], why
        assert roundup.count(self.new.summary) == 1, why
        assert ExternalTicket.objects.get(incident=self.new).ticket_id is not None


def test_a_thousand_at_once_whose_workers_are_killed_are_each_linked_once() -> None:
    """Of the built-in tracker; most of them are done together."""
    bench = Bench()
    keys = [bench.ticket(f"Number {number}").key for number in range(10)]
    first = bench.step().target
    steps = [first, *StepResult.objects.bulk_create(_beside(first, 999), batch_size=500)]
    ids = operations.submit_many(
        bench.actor,
        "LinkTicketToStepResult",
        ({"StepResultId": str(step.pk), "Key": keys[n % 10]} for n, step in enumerate(steps)),
    )

    with WorkerCommand(workers=2) as command:
        for linked in (100, 300, 500):

            def some(linked: int = linked) -> bool:
                return StepResultIncident.objects.count() >= linked

            wait_for(some, lambda: f"more links; {command.log()}", limit=60)
            kill(wait_for(lambda: _living(command), "a worker")[0])
        wait_for(
            lambda: not TaskStatus.objects.exclude(state__in=FINAL).exists(),
            lambda: f"all runs to end; {command.log()}",
            limit=120,
        )
        log = command.log()

    assert "run.together_failed" not in log
    assert TaskStatus.objects.filter(pk__in=ids, state=State.SUCCEEDED).count() == 1000
    assert ExternalTicket.objects.count() == Incident.objects.count() == 10
    for rows in (
        StepResultIncident.objects.values("step_result"),
        Backlink.objects.filter(state=Backlink.State.MADE).values("url"),
        BuiltinBacklink.objects.values("url"),
    ):
        assert rows.count() == rows.distinct().count() == 1000
    results = dict(TaskStatus.objects.values_list("pk", "result"))
    by_task = dict(TaskStatus.objects.values_list("task", "pk"))
    for task, incident in StepResultIncident.objects.values_list("linked_by", "incident"):
        assert results[by_task[task]]["values"]["IncidentId"] == str(incident)


def _living(command: WorkerCommand) -> list[int]:
    return [worker.pid for worker in command.workers() if exists(worker.pid)]


def _beside(first: StepResult, count: int) -> Iterator[StepResult]:
    for number in range(1, count + 1):
        yield StepResult(run=first.run, position=number)


class TestFromReportToTracker:
    """A tester's way: report in, failing test found, linked, seen in the tracker, kept in step."""

    @pytest.fixture
    def api(self) -> Iterator[httpx.Client]:
        authorization = f"Bearer {token(factories.actor('admin').user)}"
        with (
            Server() as server,
            httpx.Client(
                base_url=server.url, headers={"Authorization": authorization}, timeout=60
            ) as client,
        ):
            yield client

    def made(self, api: httpx.Client, collection: str, **members: Any) -> Any:
        answer = api.post(f"/api/{collection}", json=members)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def started(self, api: httpx.Client, task_type: str, **parameters: str) -> str:
        body = {"Type": task_type, "Parameters": parameters}
        answer = api.post("/api/backgroundtasks", json=body)
        assert answer.status_code == 202, answer.text
        where: str = answer.json()["Self"]
        return where

    def done(self, api: httpx.Client, task: str) -> Any:
        def ended() -> Any:
            body = api.get(task).json()
            return body if body["Complete"] or "Error" in body else None

        return wait_for(ended, "the task to end", limit=90)

    def test_with_the_tracker_stopped_and_started_again_in_between(
        self, api: httpx.Client, roundup: RoundupPlace
    ) -> None:
        issue = roundup.made("Case 7 fails at night")
        project = self.made(api, "projects", Name="Billing")
        package = self.made(api, "executionpackages", Name="Nightly", ProjectId=project["Id"])
        test = self.made(api, "automatedtests", Name="Unit tests", ProjectId=project["Id"])
        assignment = self.made(
            api, "automatedtestassignments", AutomatedTestId=test["Id"], PackageId=package["Id"]
        )
        system = self.made(
            api,
            "externalsystems",
            Name="Roundup",
            Type="roundup",
            ConnectionString=roundup.server.url,
            UserName=USER,
            Password=PASSWORD,
        )
        link = self.made(
            api,
            "externalsystemlinks",
            Name="Billing bugs",
            ProjectId=project["Id"],
            ExternalSystemId=system["Id"],
        )
        with WorkerCommand(workers=1) as command:
            results = {"report": ("report.xml", b"".join(report(20)), "text/xml")}
            upload = api.post(assignment["Links"][0]["Href"], files=results)
            assert self.done(api, upload.json()["Self"])["Complete"] is True
            found = api.get("/api/search", params={"tql": "Name ~ case_7 AND Status = Failed"})
            [node] = found.json()["Items"]
            ids = dict(zip(("AutomatedTestRunId", "ResultNodeId"), _ids(node["Self"]), strict=True))

            roundup.server.stop()
            task = self.started(
                api, "LinkTicketToAutomatedTestRunResultNode", **ids, Key=f"#{issue.id}"
            )
            wait_for(
                lambda: api.get(task).json()["State"] == "scheduled", "an attempt without a tracker"
            )
            roundup.server.start()
            linked = self.done(api, task)

            assert linked["Complete"] is True, linked
            incident = api.get(linked["Links"][0]["Href"]).json()
            assert incident["Summary"] == "Case 7 fails at night"
            assert api.get(node["Self"]).json()["HasIncidents"] is True
            [back] = roundup.links(issue.id)
            assert back.endswith(f"/api/automatedtestrun/{'/node/'.join(ids.values())}")

            roundup.tracker().change(issue.id, Change(status=roundup.done_status))
            api.patch(f"/api/incident/{incident['Id']}", json={"summary": "Case 7 fails"})
            synced = self.done(
                api,
                self.started(api, "SynchronizeExternalSystem", ExternalSystemId=system["Id"]),
            )

            assert PASSWORD not in command.log()

        assert (synced["Pulled"], synced["Pushed"], synced["Failed"]) == (1, 1, 0)
        seen = roundup.seen(issue.id)
        assert (seen.summary, seen.status) == ("Case 7 fails", roundup.done_status)
        after = api.get(f"/api/incident/{incident['Id']}", params={"$expand": "Status"}).json()
        # The project had the word, with another letter.
        assert after["Status"]["Name"] == roundup.done_status.capitalize()
        shown = api.get(f"/api/externalsystemlink/{link['Id']}").json()
        assert shown["LastSynchronizedAt"] is not None
        assert ExternalSystemLink.objects.get().problem == ""


def _ids(node: str) -> list[str]:
    """Return the ids of the run and the node in a node's URL."""
    parts = node.split("/")
    return [parts[-3], parts[-1]]
