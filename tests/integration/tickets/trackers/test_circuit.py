"""Who may ask a tracker, and who may write to a ticket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from backgroundtasks import clock
from tests.support.factories import AccountFactory
from tests.support.trackers.hostile import Hostile, answer
from tickets import trackers
from tickets.models import ExternalSystem
from tickets.trackers import Connection, errors

pytestmark = pytest.mark.django_db

STATUS = {"id": 1, "name": "open"}


def issues(*titles: str) -> bytes:
    """Return what a Roundup answers to a search."""
    rows = [
        {"id": str(number), "title": title, "status": STATUS, "activity": "2026-11-25.21:00:00"}
        for number, title in enumerate(titles, 1)
    ]
    return answer(200, json.dumps({"data": {"collection": rows}}))


def connection(server: Hostile, name: str, **values: Any) -> Connection:
    return Connection(
        **{
            "id": uuid4(),
            "kind": "roundup",
            "name": name,
            "base_url": server.url,
            "user_name": "bot",
            "secret": "hunter2",
            **values,
        }
    )


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as started:
        yield started


class TestCircuit:
    """A tracker that does not answer is left alone for a while, by everybody."""

    @pytest.fixture
    def system(self) -> ExternalSystem:
        return ExternalSystem.objects.create(
            account=AccountFactory.create(), name="Theirs", kind="roundup"
        )

    @staticmethod
    def ask(server: Hostile, system: ExternalSystem) -> None:
        trackers.connect(connection(server, "Theirs", id=system.pk)).search("refund")

    def test_opens_after_failures_in_a_row(self, server: Hostile, system: ExternalSystem) -> None:
        server.sins["/rest/data/issue"] = answer(503)
        for _ in range(5):
            with pytest.raises(errors.TrackerUnreachable, match="503"):
                self.ask(server, system)

        with pytest.raises(errors.CircuitOpen) as refusal:
            self.ask(server, system)

        assert len(server.requests) == 5
        assert refusal.value.retry_after
        assert timedelta(seconds=20) < refusal.value.retry_after <= timedelta(seconds=30)
        system.refresh_from_db()
        assert system.failures == 5
        assert "503" in system.problem

    def test_lets_one_try_when_the_time_has_passed(
        self, server: Hostile, system: ExternalSystem
    ) -> None:
        server.sins["/rest/data/issue"] = issues()
        passed = clock.now() - timedelta(seconds=1)
        ExternalSystem.objects.update(failures=5, open_until=passed, problem="It was away.")
        first = trackers.connect(connection(server, "Theirs", id=system.pk))
        first._circuit.enter()  # type: ignore[attr-defined]

        with pytest.raises(errors.CircuitOpen):
            self.ask(server, system)

        first._circuit.answered()  # type: ignore[attr-defined]
        self.ask(server, system)
        system.refresh_from_db()
        assert (system.failures, system.open_until, system.problem) == (0, None, "")

    def test_waits_as_long_as_the_tracker_says(
        self, server: Hostile, system: ExternalSystem
    ) -> None:
        server.sins["/rest/data/issue"] = answer(429, Retry_After="90")
        with pytest.raises(errors.Throttled):
            self.ask(server, system)

        with pytest.raises(errors.CircuitOpen) as refusal:
            self.ask(server, system)

        assert refusal.value.retry_after
        assert refusal.value.retry_after > timedelta(seconds=80)
        assert len(server.requests) == 1

    def test_does_not_lock_an_account(self, server: Hostile, system: ExternalSystem) -> None:
        server.sins["/rest/data/issue"] = answer(401)

        for _ in range(6):
            with pytest.raises(errors.CredentialsRefused):
                self.ask(server, system)

        assert len(server.requests) == 3

    def test_stays_closed_for_what_is_no_failure_of_the_tracker(
        self, server: Hostile, system: ExternalSystem
    ) -> None:
        server.sins["/rest/data/issue/7"] = answer(404)
        tracker = trackers.connect(connection(server, "Theirs", id=system.pk))

        for _ in range(7):
            with pytest.raises(errors.TicketNotFound):
                tracker.read("7")

    def test_costs_one_query_while_all_is_well(
        self, server: Hostile, system: ExternalSystem, django_assert_num_queries: Any
    ) -> None:
        server.sins["/rest/data/issue"] = issues()

        with django_assert_num_queries(1):
            self.ask(server, system)

    def test_is_closed_by_a_check_that_goes_well(
        self, server: Hostile, system: ExternalSystem
    ) -> None:
        ExternalSystem.objects.update(refused_logins=3, problem="It refused the login.")
        server.sins["/rest/data/issue"] = issues()
        server.sins["/rest/data/user"] = issues()
        for name in ("issue", "msg"):
            server.sins[f"/rest/data/{name}/@poe"] = answer(201)

        assert trackers.connect(connection(server, "Theirs", id=system.pk)).check().works

        system.refresh_from_db()
        assert (system.refused_logins, system.problem) == (0, "")


class TestWriters:
    def test_one_writes_to_a_ticket_at_a_time(self, server: Hostile) -> None:
        from tickets.trackers import writers

        where = connection(server, "Theirs", id=UUID(int=3))
        tracker = trackers.connect(where)

        with writers.alone(where, "7"), pytest.raises(errors.TicketBusy) as refusal:
            tracker.comment("7", "Hello", mark="test:1")

        assert refusal.value.retry_after == timedelta(seconds=2)
        assert server.requests == []
        with writers.alone(where, "7"):
            pass

    def test_who_died_with_it_loses_it(self, server: Hostile) -> None:
        from tickets.models import TicketWriter
        from tickets.trackers import writers

        where = connection(server, "Theirs")
        gone = clock.now() - timedelta(seconds=1)
        TicketWriter.objects.create(system=where.id, ticket_id="7", until=gone)

        with writers.alone(where, "7"):
            assert TicketWriter.objects.count() == 1

        assert TicketWriter.objects.count() == 0
