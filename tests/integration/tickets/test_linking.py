"""Linking tickets with what failed: whatever interrupts a run, and however often, once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers import TaskContext, TaskFailed
from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from tests.support.linking import WORDS, Bench, Failed
from tests.support.projects import IncidentFactory
from tickets import incidents, linking, trackers
from tickets.handlers.create_ticket_link import CreateTicketLink
from tickets.handlers.synchronize_external_system import SynchronizeExternalSystem
from tickets.handlers.ticket_linking import TicketHandler, again
from tickets.models import (
    Backlink,
    BuiltinBacklink,
    BuiltinTicket,
    ExternalTicket,
    Incident,
    IncidentComment,
    Picklist,
    Project,
    StepResultIncident,
)
from tickets.trackers.builtin import BuiltinTracker

pytestmark = pytest.mark.django_db

#: In a test the transaction of a link is a savepoint: made, and released.
SAVEPOINT = 2


@pytest.fixture
def bench() -> Bench:
    return Bench()


def link(bench: Bench, failed: Failed, key: str, **values: Any) -> Performed:
    return perform(
        failed.handler,
        {**failed.parameters, "Key": key},
        user=bench.actor.user,
        account_id=bench.actor.account.pk,
        **values,
    )


@pytest.mark.parametrize("word", WORDS)
def test_a_ticket_gets_an_incident_a_link_and_a_way_back(bench: Bench, word: str) -> None:
    ticket = bench.ticket()
    failed = bench.failed(word)

    run = link(bench, failed, ticket.key)

    assert run.state == State.SUCCEEDED
    assert run.progress is not None
    assert run.progress[:2] == (3, 3)
    incident = Incident.objects.get()
    assert run.result["IncidentId"] == str(incident.pk)
    assert getattr(incident, failed.links).count() == 1
    [back] = BuiltinBacklink.objects.all()
    assert str(failed.target.pk) in back.url
    assert Backlink.objects.get().state == Backlink.State.MADE
    row = ExternalTicket.objects.get()
    assert (row.key, row.ticket_id, row.problem) == (ticket.key, ticket.id, "")


class Killed(BaseException):
    """Ends an attempt as SIGKILL does: nothing of the handler's catches it."""


class _Killer:
    """Ends an attempt before its write of this number; counts them. What reads leaves no trace."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith(("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.count += 1
            if self.count == self.at:
                raise Killed
        return execute(sql, *rest)


class _Engine:
    """Keeps a run's memory as the engine does; what a transaction took back is forgotten."""

    def say(self, *line: Any) -> None: ...

    def remember(self, memory: dict[str, Any]) -> None:
        Project.objects.filter(pk=self.row).update(description=json.dumps(memory))

    def stopping(self, *, safe: bool) -> None: ...

    def commit_with_end(self) -> None: ...

    def __init__(self, row: uuid.UUID) -> None:
        self.row = row

    @property
    def memory(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(Project.objects.get(pk=self.row).description or "{}")
        return kept


def attempts(
    bench: Bench, handler: type[TicketHandler], parameters: dict[str, Any], at: int
) -> tuple[int, Any]:
    """
    Do two attempts of one run, the first one killed before the write of this number.

    Returns:
        How many writes the first one came to, and the outcome of the second.
    """
    Project.objects.filter(pk=bench.project.pk).update(description="{}")
    engine = _Engine(bench.project.pk)
    task_id, killer = uuid.uuid4(), _Killer(at)

    def attempt(number: int) -> Any:
        context = TaskContext(
            engine,
            run_id=uuid.uuid4(),
            task_id=task_id,
            account_id=bench.actor.account.pk,
            user_id=bench.actor.user.pk,
            attempt=number,
            memory=engine.memory,
        )
        return handler().perform(context, handler.validated(parameters))

    try:
        with connection.execute_wrapper(killer):
            attempt(1)
    except Killed:
        # What a dead process' connection leaves is rolled back; the test's own transaction goes on.
        transaction.set_rollback(False)
    return killer.count, attempt(2)


def until_it_ends(case: Callable[[int], int]) -> int:
    """Kill before the first write, before the second one, and so on; return how many there are."""
    at = 1
    while case(at) >= at:
        at += 1
    return at - 1


class TestKilledAnywhere:
    def test_a_step_is_linked_once(self, bench: Bench) -> None:
        def case(at: int) -> int:
            ticket = bench.ticket(f"Number {at}")
            failed = bench.step()
            ask = {**failed.parameters, "Key": ticket.key}

            count, outcome = attempts(bench, failed.handler, ask, at)

            row = ExternalTicket.objects.get(ticket_id=ticket.id)
            assert outcome.result["IncidentId"] == str(row.incident_id)
            assert Incident.objects.filter(summary=ticket.summary).count() == 1
            assert StepResultIncident.objects.filter(step_result=failed.target.pk).count() == 1
            assert BuiltinBacklink.objects.filter(ticket=ticket.id).count() == 1
            assert Backlink.objects.get(ticket=row).state == Backlink.State.MADE
            return count

        assert until_it_ends(case) > 4

    def test_a_ticket_gets_one_incident(self, bench: Bench) -> None:
        def case(at: int) -> int:
            ticket = bench.ticket(f"Number {at}")
            ask = {"TicketId": ticket.id, "ExternalSystemLinkId": str(bench.link.pk)}

            count, outcome = attempts(bench, CreateTicketLink, ask, at)

            row = ExternalTicket.objects.get(ticket_id=ticket.id)
            assert outcome.result["IncidentId"] == str(row.incident_id)
            assert Incident.objects.filter(summary=ticket.summary).count() == 1
            assert BuiltinBacklink.objects.filter(ticket=ticket.id).count() == 1
            return count

        assert until_it_ends(case) > 4

    def test_an_incident_gets_one_ticket(self, bench: Bench) -> None:
        def case(at: int) -> int:
            incident = IncidentFactory.create(project=bench.project)
            ask = {"IncidentId": str(incident.pk), "ExternalSystemLinkId": str(bench.link.pk)}

            count, outcome = attempts(bench, CreateTicketLink, ask, at)

            made = BuiltinTicket.objects.get(summary=incident.summary)
            row = ExternalTicket.objects.get(incident=incident)
            assert (row.ticket_id, row.key) == (str(made.pk), str(made))
            assert outcome.result["Key"] == row.key
            assert BuiltinBacklink.objects.filter(ticket=made).count() == 1
            return count

        assert until_it_ends(case) > 4


class TestNewTicket:
    def make(self, bench: Bench, incident: Incident, **values: Any) -> Performed:
        return perform(
            CreateTicketLink,
            {"IncidentId": str(incident.pk), "ExternalSystemLinkId": str(bench.link.pk)},
            user=bench.actor.user,
            account_id=bench.actor.account.pk,
            **values,
        )

    def test_says_what_the_incident_says(self, bench: Bench) -> None:
        incident = IncidentFactory.create(
            project=bench.project, summary="Refund is not rounded", description="By a cent."
        )

        run = self.make(bench, incident)

        made = BuiltinTicket.objects.get()
        assert (made.summary, made.description) == ("Refund is not rounded", "By a cent.")
        assert run.result == {
            "IncidentId": str(incident.pk),
            "Key": "TST-1",
            "Url": ExternalTicket.objects.get().url,
        }

    def test_gives_the_incident_the_status_that_it_has(self, bench: Bench) -> None:
        theirs = linking.word(bench.project, Picklist.INCIDENT_STATUS, "Ready")
        incident = IncidentFactory.create(project=bench.project, status=theirs)

        self.make(bench, incident)
        incidents.change(incident.pk, None, {"summary": "Refund is rounded up"})
        run = perform(
            SynchronizeExternalSystem,
            {"ExternalSystemId": str(bench.link.external_system_id)},
            user=bench.actor.user,
            account_id=bench.actor.account.pk,
        )

        # "Ready" is no status of the tracker: pushed with the next change it would be refused.
        assert (run.state, run.result["Pushed"]) == (State.SUCCEEDED, 1)
        found = Incident.objects.select_related("status").get()
        assert found.status is not None
        assert found.status.name == BuiltinTicket.objects.get().status == "Open"
        assert (
            IncidentComment.objects.get().text
            == "Status: the new ticket's 'Open' replaces 'Ready'."
        )

    def test_leaves_what_somebody_changed_meanwhile(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ready, done = (
            linking.word(bench.project, Picklist.INCIDENT_STATUS, name)
            for name in ("Ready", "Done")
        )
        assert done is not None
        incident = IncidentFactory.create(project=bench.project, status=ready)
        real = BuiltinTracker.create

        def create(tracker: Any, draft: Any) -> Any:
            incidents.change(incident.pk, None, {"status_id": done.pk})
            return real(tracker, draft)

        monkeypatch.setattr(BuiltinTracker, "create", create)
        self.make(bench, incident)

        incident.refresh_from_db()
        assert incident.status == done
        assert ExternalTicket.objects.get().incident_version < incident.version_number

    def test_once_for_an_incident_in_a_tracker(self, bench: Bench) -> None:
        incident = IncidentFactory.create(project=bench.project)
        self.make(bench, incident)

        again = self.make(bench, incident)

        assert again.error == "The incident has the ticket TST-1 in this tracker already."
        assert BuiltinTicket.objects.count() == 1

    def test_what_the_tracker_does_not_take_is_kept_with_its_reason_and_made_later(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incident = IncidentFactory.create(project=bench.project)

        def refuse(*given: Any) -> Any:
            raise trackers.errors.ChangeRefused("Bugs", "create it", {"priority": "is missing"})

        with monkeypatch.context() as patched:
            patched.setattr(BuiltinTracker, "create", refuse)
            failed = self.make(bench, incident)
        row = ExternalTicket.objects.get()
        run = self.make(bench, incident)

        assert failed.error == "Bugs refused to create it: priority: is missing."
        assert (row.ticket_id, row.problem) == (None, failed.error)
        assert run.state == State.SUCCEEDED
        row.refresh_from_db()
        assert (row.key, row.problem) == ("TST-1", "")

    def test_of_another_project_is_none(self, bench: Bench) -> None:
        incident = IncidentFactory.create()

        run = self.make(bench, incident)

        assert run.error == (f"The incident {incident.pk} does not exist in the project 'Billing'.")


def test_a_ticket_of_another_project_than_the_links_gets_no_incident(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = bench.ticket()
    elsewhere = replace(ticket, project="OTH", key="OTH-1")
    monkeypatch.setattr(BuiltinTracker, "read", lambda *_: elsewhere)

    run = perform(
        CreateTicketLink,
        {"TicketId": ticket.id, "ExternalSystemLinkId": str(bench.link.pk)},
        user=bench.actor.user,
        account_id=bench.actor.account.pk,
    )

    assert run.error is not None
    assert "is not of the project 'TST'" in run.error
    assert not Incident.objects.exists()


class TestAgain:
    """When the next attempt comes."""

    @pytest.mark.parametrize(
        "wanted, attempt, least, most",
        [
            (timedelta(seconds=90), 1, 90, 90),
            (timedelta(0), 3, 16, 20),
            (timedelta(days=2), 1, 3600, 3600),
        ],
        ids=["as the tracker says", "not at once", "not for ever"],
    )
    def test_is_bounded(self, wanted: timedelta, attempt: int, least: int, most: int) -> None:
        context = TaskContext(
            _Engine(uuid.uuid4()),
            run_id=uuid.uuid4(),
            task_id=uuid.uuid4(),
            account_id=uuid.uuid4(),
            user_id=None,
            attempt=attempt,
        )

        failure = again(TicketHandler(), context, trackers.errors.Throttled("Bugs", wanted))

        assert isinstance(failure, TaskFailed)
        assert failure.temporary
        assert failure.retry_after is not None
        assert least <= failure.retry_after.total_seconds() <= most


def test_a_link_costs_a_bounded_number_of_queries(
    bench: Bench, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ticket = bench.ticket()
    link(bench, bench.step(), ticket.key)
    failed = bench.step()

    with django_assert_max_num_queries(10 + SAVEPOINT):
        link(bench, failed, ticket.key)


def test_a_new_incident_costs_a_bounded_number_of_queries(
    bench: Bench, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    link(bench, bench.step(), bench.ticket("The first one").key)
    ticket, failed = bench.ticket(), bench.step()

    with django_assert_max_num_queries(31 + 3 * SAVEPOINT):
        link(bench, failed, ticket.key)


@pytest.mark.parametrize("name", ["key", "url", "version", "kind", "summary"])
def test_a_ticket_whose_words_no_database_stores_gets_an_incident(bench: Bench, name: str) -> None:
    """A tracker's answer may hold NUL and halves of characters, in any text."""
    ticket = replace(bench.ticket(), **{name: "TST-1\0\ud800"})

    row = linking.bring_together(
        linking.Found(bench.link, ticket), task_id=uuid.uuid4(), user_id=None
    )

    row.refresh_from_db()
    assert getattr(row, {"kind": "type"}.get(name, name)) == "TST-1"
