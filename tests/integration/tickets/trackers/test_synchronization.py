"""One ticket that cannot be read keeps no other one of its link from being synchronised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from tests.support.linking import Bench
from tests.support.projects import ExternalSystemFactory
from tests.support.trackers.gate import Gate
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.place import Place
from tests.support.trackers.redmine import RedminePlace, RedmineServer
from tickets import backlinks, conf, credentials, incidents, linking, trackers
from tickets.handlers.synchronize_external_system import SynchronizeExternalSystem
from tickets.models import Backlink, ExternalTicket, Incident

pytestmark = pytest.mark.django_db

TOO_LARGE = b'{"description": "' + b"x" * conf.TRACKER_ANSWER_LIMIT + b'"}'


def bench_of(place: Place, base_url: str = "") -> Bench:
    """Return a project whose tickets are those of a place."""
    known = place.connection
    bench = Bench()
    system = ExternalSystemFactory.build(
        account=bench.actor.account,
        kind=known.kind,
        base_url=base_url or known.base_url,
        user_name=known.user_name,
        settings=dict(known.settings),
    )
    credentials.keep(system, known.secret)
    system.save()
    bench.link.delete()
    bench.link = bench.linked(known.project, external_system=system)
    return bench


def linked(bench: Bench, ticket: trackers.Ticket) -> ExternalTicket:
    found = linking.Found(bench.link, ticket)
    return linking.bring_together(found, task_id=bench.project.pk, user_id=bench.actor.user.pk)


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


def change(bench: Bench, row: ExternalTicket, summary: str) -> None:
    incidents.change(row.incident_id, bench.actor.user.pk, {"summary": summary})


@pytest.fixture
def away(place: Place) -> Place:
    if place.connection.kind == "builtin":
        pytest.skip("the built-in tracker is asked without HTTP")
    return place


@pytest.fixture
def gate(away: Place) -> Iterator[Gate]:
    with Gate(away.connection.base_url) as gate:
        yield gate


class TestOneTicketThatCannotBeRead:
    @pytest.mark.parametrize(
        "status, body",
        [
            (200, TOO_LARGE),
            (200, b'{"broken'),
            (200, b'{"of": "another shape"}'),
            (403, b"{}"),
            (500, b"{}"),
        ],
        ids=["too large", "broken", "misshapen", "forbidden", "broken down"],
    )
    def test_is_counted_and_named_and_the_others_are_in_step(
        self, away: Place, gate: Gate, status: int, body: bytes
    ) -> None:
        bench = bench_of(away, gate.url)
        # Twice: two of them beside each other are no tracker that is away.
        bad = [linked(bench, away.made("Bad")) for _ in range(2)]
        good = linked(bench, away.made("Good"))
        for row in (*bad, good):
            change(bench, row, f"{row.summary}, changed here")
        for row in bad:
            gate.spoiled[re.compile(rf"/issues?/{row.ticket_id}\b")] = status, body

        run = synchronize(bench)

        assert run.state == State.WARNED, run.error
        assert (run.result["Pushed"], run.result["Failed"]) == (1, 2)
        assert away.seen(str(good.ticket_id)).summary == "Good, changed here"
        for row in bad:
            row.refresh_from_db()
            assert row.problem
            assert f"{row.key}: {row.problem}" in run.warnings
        assert "Not in step" in bench.link.problem
        assert bench.link.last_synchronized_at is None

        gate.spoiled.clear()
        run = synchronize(bench)

        assert (run.state, run.result["Pushed"], run.result["Failed"]) == (State.SUCCEEDED, 2, 0)
        for row in bad:
            row.refresh_from_db()
            assert (row.problem, away.seen(str(row.ticket_id)).summary) == ("", "Bad, changed here")
        assert bench.link.problem == ""
        assert bench.link.last_synchronized_at is not None

    def test_that_is_gone_is_counted_as_gone(self, away: Place, gate: Gate) -> None:
        bench = bench_of(away, gate.url)
        gone, good = linked(bench, away.made("Gone")), linked(bench, away.made("Good"))
        for row in (gone, good):
            change(bench, row, f"{row.summary}, changed here")
        gate.spoiled[re.compile(rf"/issues?/{gone.ticket_id}\b")] = 404, b"{}"

        run = synchronize(bench)

        assert (run.state, run.result["Gone"], run.result["Failed"]) == (State.SUCCEEDED, 1, 0)
        assert away.seen(str(good.ticket_id)).summary == "Good, changed here"

    def test_a_tracker_that_answers_no_question_any_more_is_asked_again(
        self, away: Place, gate: Gate
    ) -> None:
        bench = bench_of(away, gate.url)
        row = linked(bench, away.made("Bad"))
        change(bench, row, "Changed here")
        asked = 0

        class Later:
            """Fits everything but the first list."""

            def search(self, line: str) -> bool:
                nonlocal asked
                asked += f"/{row.ticket_id}" in line.partition("?")[0]
                return asked > 0

        gate.spoiled[Later()] = 500, b"{}"  # type: ignore[index] - all that is asked of a pattern

        run = synchronize(bench)

        assert (run.state, run.temporary) == (State.FAILED, True)
        assert bench.link.last_synchronized_at is None


class TestOneRowOfAListThatCannotBeRead:
    @pytest.fixture
    def place(self) -> Iterator[GithubPlace]:
        with FakeGithub() as server:
            yield GithubPlace(server)

    def test_is_named_by_its_key_where_it_has_one(self, place: GithubPlace) -> None:
        bench = bench_of(place)
        bad, good = (linked(bench, place.made(name)) for name in ("Bad", "Good"))
        place.tracker().change(str(good.ticket_id), trackers.Change(status="closed"))
        shown = place.server.issues["shop/web", int(str(bad.ticket_id))]["shown"]
        moment, shown["updated_at"] = shown["updated_at"], "never"

        run = synchronize(bench)

        assert (run.state, run.result["Pulled"], run.result["Failed"]) == (State.WARNED, 1, 1)
        assert run.warnings[0].startswith(f"{bad.key}: ")
        bad.refresh_from_db()
        assert "a moment that is none" in bad.problem
        assert bench.link.last_synchronized_at is None
        shown["updated_at"] = moment
        assert synchronize(bench).state == State.SUCCEEDED
        bad.refresh_from_db()
        assert bad.problem == ""

    def test_of_nobodys_ticket_is_no_trouble(self, place: GithubPlace) -> None:
        bench = bench_of(place)
        linked(bench, place.made("Good"))
        other = place.made("Nobody's")
        place.server.issues["shop/web", int(other.id)]["shown"]["updated_at"] = "never"

        assert synchronize(bench).state == State.SUCCEEDED

    def test_that_is_too_large_to_say_which_it_is_is_asked_for_again(
        self, place: GithubPlace
    ) -> None:
        bench = bench_of(place)
        bad, good = (linked(bench, place.made(name)) for name in ("Bad", "Good"))
        for row in (bad, good):
            place.tracker().change(str(row.ticket_id), trackers.Change(status="closed"))
        shown = place.server.issues["shop/web", int(str(bad.ticket_id))]["shown"]
        shown["body"] = "x" * conf.TRACKER_ANSWER_LIMIT

        run = synchronize(bench)

        assert (run.state, run.result["Pulled"], run.result["Failed"]) == (State.WARNED, 1, 1)
        assert "A ticket that changed: " in run.warnings[0]
        assert "larger than" in run.warnings[0]
        assert (bench.link.last_synchronized_at, bench.link.changed_since) == (None, None)
        shown["body"] = "short"
        run = synchronize(bench)
        assert (run.state, run.result["Pulled"]) == (State.SUCCEEDED, 1)
        assert bench.link.changed_since is not None

    def test_is_still_counted_by_the_attempt_after_one_that_was_stopped(
        self, place: GithubPlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tickets.synchronization._PAGE", 1)
        bench = bench_of(place)
        rows = [linked(bench, place.made(str(number))) for number in range(3)]
        shown = [place.server.issues["shop/web", int(str(row.ticket_id))]["shown"] for row in rows]
        for second, one in enumerate(shown):
            one["updated_at"] = f"2026-01-01T00:00:0{second}Z"
        ExternalTicket.objects.update(changed_at=datetime(2026, 1, 1, tzinfo=UTC))
        shown[0]["body"] = "x" * conf.TRACKER_ANSWER_LIMIT

        stopped = synchronize(bench, stop_after=0)
        run = synchronize(bench, memory=stopped.memory)

        assert stopped.state == State.QUEUED
        assert (run.state, run.result["Failed"]) == (State.WARNED, 1)
        assert (bench.link.last_synchronized_at, bench.link.changed_since) == (None, None)


class TestRedmine:
    """Issues whose history alone is larger than an answer may be."""

    @pytest.fixture
    def place(self, redmine_server: RedmineServer, settings: Any) -> RedminePlace:
        settings.TICKETS = {
            **settings.TICKETS,
            "TRACKER_ANSWER_LIMIT": 100_000,
            "PUBLIC_URL": "https://tasks.example.org",
        }
        return RedminePlace(redmine_server)

    @pytest.fixture
    def row(self, place: RedminePlace) -> tuple[Bench, ExternalTicket]:
        bench = bench_of(place)
        ticket = place.made("Long")
        issue = place.server.client().issue
        for number in range(4):
            issue.update(int(ticket.id), notes=f"{number} {'x' * 40_000}")
        return bench, linked(bench, place.tracker().read(ticket.id))

    def test_are_kept_in_step(self, place: RedminePlace, row: tuple[Bench, ExternalTicket]) -> None:
        bench, ticket = row
        change(bench, ticket, "Changed here")

        run = synchronize(bench)

        assert (run.state, run.result["Pushed"]) == (State.SUCCEEDED, 1), run.warnings
        assert place.seen(str(ticket.ticket_id)).summary == "Changed here"

    def test_lead_back_once(self, place: RedminePlace, row: tuple[Bench, ExternalTicket]) -> None:
        bench, ticket = row
        wish = backlinks.wish(
            ticket,
            "incident",
            {"incident_id": ticket.incident_id},
            title="Refund",
            task_id=bench.project.pk,
        )
        assert wish is not None
        kept = backlinks.keep(wish)

        assert synchronize(bench).state == State.SUCCEEDED
        kept.refresh_from_db()
        assert (kept.state, kept.problem) == (Backlink.State.MADE, "")
        # As after a crash before that was stored.
        Backlink.objects.update(state=Backlink.State.WANTED, reference="")
        assert synchronize(bench).state == State.SUCCEEDED

        assert place.links(str(ticket.ticket_id)) == [kept.url]

    def test_are_not_asked_for_their_history_where_it_is_not_needed(
        self, place: RedminePlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Gate(place.server.url) as gate:
            gate.spoiled[re.compile("include=[^&]*journals")] = 500, b"{}"
            bench = bench_of(place, gate.url)
            ticket = place.made("Short")
            row = linked(bench, ticket)
            change(bench, row, "Changed here")

            assert synchronize(bench).state == State.SUCCEEDED

        assert Incident.objects.get(pk=row.incident_id).summary == "Changed here"
        assert place.seen(ticket.id).summary == "Changed here"
