"""Incidents and tickets are brought into step, both ways, and the link says how far."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks import clock
from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from tests.support.factories import MembershipFactory
from tests.support.linking import Bench
from tests.support.projects import IncidentFactory
from tickets import incidents, linking, new_tickets, picklists, synchronization, trackers
from tickets.handlers.synchronize_external_system import SynchronizeExternalSystem
from tickets.models import BuiltinTicket, ExternalTicket, Incident, IncidentComment, Picklist
from tickets.trackers.builtin import BuiltinTracker

pytestmark = pytest.mark.django_db


@pytest.fixture
def bench() -> Bench:
    return Bench()


def linked(bench: Bench, summary: str = "Refund is not rounded") -> ExternalTicket:
    """Return a ticket with its incident."""
    found = linking.Found(bench.link, bench.ticket(summary))
    return linking.bring_together(found, task_id=bench.project.pk, user_id=bench.actor.user.pk)


def there(bench: Bench, row: ExternalTicket, **change: str) -> None:
    """Change the ticket in its tracker."""
    assert row.ticket_id is not None
    bench.tracker().change(row.ticket_id, trackers.Change(**change))


def here(bench: Bench, row: ExternalTicket, **change: Any) -> None:
    """Change the incident as somebody does."""
    if "status" in change:
        name = change.pop("status")
        word = linking.word(bench.project, Picklist.INCIDENT_STATUS, name)
        assert word is not None
        change["status_id"] = word.pk
    incidents.change(row.incident_id, bench.actor.user.pk, change)


def synchronize(bench: Bench, **values: Any) -> Performed:
    run = perform(
        SynchronizeExternalSystem,
        {"ExternalSystemId": str(bench.link.external_system_id)},
        user=bench.actor.user,
        account_id=bench.actor.account.pk,
        **values,
    )
    bench.link.refresh_from_db()
    return run


def shown(row: ExternalTicket) -> tuple[str, str, str | None]:
    incident = Incident.objects.select_related("status", "assigned_to").get(pk=row.incident_id)
    assert incident.status is not None
    return (
        incident.summary,
        incident.status.name,
        incident.assigned_to.username if incident.assigned_to else None,
    )


def ticket_of(row: ExternalTicket) -> tuple[str, str, str]:
    ticket = BuiltinTicket.objects.get(pk=row.ticket_id)
    return ticket.summary, ticket.status, ticket.assignee


class TestPull:
    def test_takes_over_what_changed_in_the_tracker(self, bench: Bench) -> None:
        dana = MembershipFactory.create(account=bench.actor.account, user__username="dana").user
        row, other = linked(bench), linked(bench, "Page is blank")
        there(bench, row, summary="Refund is rounded up", status="In progress", assignee="Dana")

        run = synchronize(bench)

        assert run.state == State.SUCCEEDED
        assert shown(row) == ("Refund is rounded up", "In progress", dana.username)
        assert shown(other)[:2] == ("Page is blank", "Open")
        assert run.result == {"Pulled": 1, "Pushed": 0, "Created": 0, "Gone": 0, "Failed": 0}

    def test_knows_what_it_has_seen(self, bench: Bench) -> None:
        row = linked(bench)
        there(bench, row, status="Done")
        synchronize(bench)

        again = synchronize(bench)

        assert again.result["Pulled"] == 0
        assert Incident.objects.get().version_number == 1

    def test_misses_nothing_that_was_stored_late(self, bench: Bench) -> None:
        row, other = linked(bench), linked(bench, "Page is blank")
        there(bench, row, status="Done")
        synchronize(bench)
        there(bench, other, status="Done")
        # Its transaction began before, and ended after the look for changes.
        BuiltinTicket.objects.filter(pk=other.ticket_id).update(
            updated_at=bench.link.changed_since - timedelta(seconds=90)  # type: ignore[operator]
        )

        synchronize(bench)

        assert shown(other)[1] == "Done"

    def test_goes_on_at_the_page_where_it_was_stopped(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tickets.synchronization._PAGE", 2)
        rows = [linked(bench, f"Number {number}") for number in range(5)]
        for row in rows:
            there(bench, row, status="Done")
        asked: list[str | None] = []
        real = BuiltinTracker.changes

        def changes(tracker: Any, since: Any, **given: Any) -> Any:
            asked.append(given["cursor"])
            return real(tracker, since, **given)

        monkeypatch.setattr(BuiltinTracker, "changes", changes)

        stopped = synchronize(bench, stop_after=0)
        synced_before = bench.link.last_synchronized_at
        run = synchronize(bench, memory=stopped.memory)

        assert stopped.state == State.QUEUED
        assert synced_before is None
        assert run.state == State.SUCCEEDED
        assert len(asked) == len(set(asked)) == 3
        assert {shown(row)[1] for row in rows} == {"Done"}

    def test_an_assignee_that_we_do_not_know_is_nobody_here_and_stays_there(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        there(bench, row, assignee="stranger")
        synchronize(bench)
        here(bench, row, status="Done")

        synchronize(bench)

        assert shown(row) == ("Refund is not rounded", "Done", None)
        assert ticket_of(row) == ("Refund is not rounded", "Done", "stranger")

    def test_an_assignee_whom_we_get_to_know_later_is_not_taken_off_the_ticket(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        there(bench, row, assignee="stranger")
        synchronize(bench)
        MembershipFactory.create(account=bench.actor.account, user__username="Stranger")
        here(bench, row, status="Done")

        synchronize(bench)

        assert ticket_of(row) == ("Refund is not rounded", "Done", "stranger")
        here(bench, row, assigned_to_id=bench.actor.user.pk)
        synchronize(bench)
        assert ticket_of(row)[2] == bench.actor.user.get_username()
        here(bench, row, assigned_to_id=None)
        synchronize(bench)
        assert ticket_of(row)[2] == ""

    def test_an_assignee_whose_login_changed_here_stays_as_the_tracker_knows_them(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        user = bench.actor.user
        login = user.get_username()
        there(bench, row, assignee=login)
        synchronize(bench)
        type(user).objects.filter(pk=user.pk).update(username="renamed")
        here(bench, row, status="Done")

        synchronize(bench)

        assert ticket_of(row) == ("Refund is not rounded", "Done", login)

    def test_an_assignee_of_a_change_whose_other_half_was_refused_is_not_taken_off_later(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        there(bench, row, assignee=bench.actor.user.get_username())
        synchronize(bench)
        there(bench, row, assignee="stranger")
        here(bench, row, status="Waiting for Godot")

        assert synchronize(bench).state == State.WARNED
        here(bench, row, status="Done")
        synchronize(bench)

        assert ticket_of(row) == ("Refund is not rounded", "Done", "stranger")

    def test_an_assignee_whom_the_tracker_took_is_agreed_on_although_another_field_was_refused(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        here(bench, row, assigned_to_id=bench.actor.user.pk, status="Waiting for Godot")
        assert synchronize(bench).state == State.WARNED
        assert ticket_of(row)[2] == bench.actor.user.get_username()
        there(bench, row, assignee="stranger")

        synchronize(bench)

        # Only the tracker changed it since: nothing of ours was given up.
        assert not IncidentComment.objects.exists()
        assert shown(row)[2] is None

    @pytest.mark.parametrize("side", [there, here], ids=["pulled", "pushed"])
    def test_gives_no_ticket_a_link_again_that_is_just_being_removed(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, side: Any
    ) -> None:
        row = linked(bench)
        side(bench, row, status="Done")
        agree = synchronization._agree

        def meanwhile(*given: Any) -> bool:
            ExternalTicket.objects.filter(pk=row.pk).update(link=None)
            return agree(*given)

        monkeypatch.setattr(synchronization, "_agree", meanwhile)

        synchronize(bench)

        row.refresh_from_db()
        assert (row.status, row.link_id) == ("Done", None)

    def test_without_a_list_of_changes_it_looks_at_each_ticket(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = linked(bench)
        there(bench, row, status="Done")

        def unsupported(*given: Any, **named: Any) -> Any:
            raise trackers.errors.Unsupported("Bugs", "say what changed")

        monkeypatch.setattr(BuiltinTracker, "changes", unsupported)

        synchronize(bench)

        assert shown(row)[1] == "Done"


class TestPush:
    def test_writes_what_changed_here(self, bench: Bench) -> None:
        row = linked(bench)
        here(
            bench,
            row,
            summary="Refund is rounded up",
            status="in progress",
            assigned_to_id=bench.actor.user.pk,
        )

        run = synchronize(bench)

        login = bench.actor.user.get_username()
        assert ticket_of(row) == ("Refund is rounded up", "In progress", login)
        assert run.result["Pushed"] == 1
        assert synchronize(bench).result["Pushed"] == 0

    @pytest.mark.parametrize("status", picklists.DEFAULTS[Picklist.INCIDENT_STATUS])
    def test_the_built_in_tracker_takes_every_status_that_a_project_begins_with(
        self, bench: Bench, status: str
    ) -> None:
        row = linked(bench)
        here(bench, row, summary="Refund is rounded up", status=status)

        run = synchronize(bench)

        assert (run.state, run.result.get("Failed")) == (State.SUCCEEDED, 0)
        assert ticket_of(row)[1].lower() == status.lower()
        assert synchronize(bench).result["Pulled"] == 0
        assert shown(row)[1] == status

    def test_does_not_take_its_own_change_for_one_of_the_tracker(self, bench: Bench) -> None:
        row = linked(bench)
        here(bench, row, status="Done")
        synchronize(bench)

        run = synchronize(bench)

        assert (run.result["Pulled"], run.result["Pushed"]) == (0, 0)
        assert not IncidentComment.objects.exists()

    def test_what_the_tracker_refuses_is_kept_with_its_reason_and_stops_no_other_field(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        here(bench, row, summary="Refund is rounded up", status="Waiting for Godot")

        run = synchronize(bench)
        row.refresh_from_db()

        assert run.state == State.WARNED
        assert ticket_of(row)[:2] == ("Refund is rounded up", "Open")
        assert shown(row)[1] == "Waiting for Godot"
        assert "status: is one of Open, In progress, Resolved, Closed, Done" in row.problem
        assert bench.link.last_synchronized_at is None
        assert row.problem in bench.link.problem

        here(bench, row, status="Done")
        assert synchronize(bench).state == State.SUCCEEDED
        row.refresh_from_db()
        assert (row.problem, bench.link.problem, ticket_of(row)[1]) == ("", "", "Done")
        assert bench.link.last_synchronized_at is not None

    def test_makes_the_tickets_that_are_still_to_be_made(self, bench: Bench) -> None:
        incident = IncidentFactory.create(project=bench.project)
        new_tickets.wanted(incident, bench.link, task_id=bench.project.pk)

        run = synchronize(bench)

        assert run.result["Created"] == 1
        assert BuiltinTicket.objects.get().summary == incident.summary

    def test_a_ticket_that_was_wanted_by_a_link_that_is_gone_is_not_made(
        self, bench: Bench
    ) -> None:
        incident = IncidentFactory.create(project=bench.project)
        row = new_tickets.wanted(incident, bench.link, task_id=bench.project.pk)
        ExternalTicket.objects.filter(pk=row.pk).update(link=None, problem="It is away.")
        here(bench, row, summary="Refund is rounded up")

        run = synchronize(bench)

        assert (run.state, run.result["Created"]) == (State.SUCCEEDED, 0)
        assert not BuiltinTicket.objects.exists()

    def test_a_change_at_the_same_moment_is_merged(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = linked(bench)
        here(bench, row, summary="Refund is rounded up")
        real = BuiltinTracker.change
        faster = [trackers.Change(status="Done")]

        def change(tracker: Any, ticket_id: str, wanted: Any, *, version: str = "") -> Any:
            if faster:
                real(tracker, ticket_id, faster.pop())
            return real(tracker, ticket_id, wanted, version=version)

        monkeypatch.setattr(BuiltinTracker, "change", change)

        run = synchronize(bench)

        assert run.state == State.SUCCEEDED
        assert ticket_of(row)[:2] == shown(row)[:2] == ("Refund is rounded up", "Done")


class TestConflict:
    def test_is_seen_where_the_list_of_changes_was_old_already(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = linked(bench)
        here(bench, row, status="In progress")
        real = BuiltinTracker.changes
        later = ["Done"]

        def changes(tracker: Any, since: Any, **given: Any) -> Any:
            page = real(tracker, since, **given)
            if later:
                there(bench, row, status=later.pop())
            # As of Redmine and Roundup, whose lists name no version.
            return trackers.Page([replace(one, version="") for one in page.items], page.cursor)

        monkeypatch.setattr(BuiltinTracker, "changes", changes)

        run = synchronize(bench)

        assert run.state == State.SUCCEEDED
        assert shown(row)[1] == ticket_of(row)[1] == "Done"
        assert "'Done' replaces 'In progress'" in IncidentComment.objects.get().text

    def test_the_tracker_decides_and_a_comment_keeps_what_the_incident_had(
        self, bench: Bench
    ) -> None:
        row = linked(bench)
        here(bench, row, summary="Refund is a cent short", status="Done")
        there(bench, row, status="In progress")

        run = synchronize(bench)

        assert run.state == State.SUCCEEDED
        assert shown(row)[:2] == ticket_of(row)[:2] == ("Refund is a cent short", "In progress")
        assert IncidentComment.objects.get().text == (
            "TST-1 and this incident were both changed.\n"
            "Status: the ticket's 'In progress' replaces 'Done'."
        )


class TestHowFar:
    def test_is_when_it_began(self, bench: Bench) -> None:
        linked(bench)
        before = clock.now()

        synchronize(bench)

        link = bench.link
        assert link.last_synchronized_at is not None
        assert before <= link.last_synchronized_at <= clock.now()
        assert link.last_pulled_at == link.last_pushed_at == link.last_synchronized_at

    def test_a_tracker_that_is_away_moves_nothing_and_is_asked_again(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        linked(bench)

        def away(*given: Any, **named: Any) -> Any:
            raise trackers.errors.TrackerUnreachable("Bugs", "it is off", timedelta(minutes=2))

        with monkeypatch.context() as patched:
            patched.setattr(BuiltinTracker, "changes", away)
            failed = synchronize(bench)
        noted = (bench.link.last_synchronized_at, bench.link.problem)
        run = synchronize(bench)

        assert (failed.state, failed.temporary) == (State.FAILED, True)
        assert noted == (None, "Bugs cannot be reached: it is off.")
        assert run.state == State.SUCCEEDED
        assert (bench.link.problem, bench.link.last_synchronized_at is None) == ("", False)

    def test_a_ticket_that_is_gone_is_said_and_holds_nothing_up(self, bench: Bench) -> None:
        row, other = linked(bench), linked(bench, "Page is blank")
        here(bench, row, status="Done")
        there(bench, other, status="Done")
        BuiltinTicket.objects.get(pk=row.ticket_id).delete()

        run = synchronize(bench)

        row.refresh_from_db()
        assert (run.state, run.result["Gone"]) == (State.SUCCEEDED, 1)
        assert "has no ticket" in row.problem
        assert shown(other)[1] == "Done"
        assert bench.link.last_synchronized_at is not None

    def test_what_an_attempt_before_did_is_counted_and_what_failed_is_named(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        system = bench.link.external_system
        second = bench.linked("OTH", external_system=system)
        pulled, refused = linked(bench), linked(bench, "Page is blank")
        there(bench, pulled, status="Done")
        here(bench, refused, status="Waiting for Godot")
        other = linking.Found(second, bench.ticket("Other", second))
        linking.bring_together(other, task_id=bench.project.pk, user_id=bench.actor.user.pk)
        real = BuiltinTracker.changes

        def away(tracker: Any, since: Any, **given: Any) -> Any:
            if tracker.connection.project == "OTH":
                raise trackers.errors.TrackerUnreachable("Bugs", "it is off")
            return real(tracker, since, **given)

        with monkeypatch.context() as patched:
            patched.setattr(BuiltinTracker, "changes", away)
            failed = synchronize(bench)
        run = synchronize(bench, memory=failed.memory)

        refused.refresh_from_db()
        assert (failed.state, failed.temporary) == (State.FAILED, True)
        assert run.state == State.WARNED
        assert run.result == {"Pulled": 1, "Pushed": 0, "Created": 0, "Gone": 0, "Failed": 1}
        assert run.warnings == [f"{refused.key}: {refused.problem}"]

    def test_one_link_that_cannot_be_used_stops_no_other(self, bench: Bench) -> None:
        bad = bench.linked("not a key", external_system=bench.link.external_system)
        row = linked(bench)
        there(bench, row, status="Done")

        run = synchronize(bench)
        bad.refresh_from_db()

        assert run.state == State.WARNED
        assert shown(row)[1] == "Done"
        assert "cannot be used" in bad.problem
        assert bad.last_synchronized_at is None

    def test_all_links_that_cannot_be_used_fail_it(self, bench: Bench) -> None:
        type(bench.link).objects.update(tracker_project="not a key")

        run = synchronize(bench)

        assert (run.state, run.temporary) == (State.FAILED, False)
        assert "cannot be used" in run.error
