"""Tickets are linked at one moment: of the same thing there is one, and whoever came second says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.states import State
from tests.support.linking import WORDS, Bench, Failed
from tickets import linking
from tickets.handlers.create_ticket_link import CreateTicketLink
from tickets.handlers.ticket_linking import TicketHandler
from tickets.models import Backlink, BuiltinBacklink, ExternalTicket, Incident

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 4


def at_one_moment(*runs: Callable[[], Performed]) -> list[Performed]:
    """Perform all at once: none goes on before every one of them has found its ticket."""
    gate = threading.Barrier(len(runs))
    ended: list[Performed] = []
    real_find, real_read = linking.find, linking.read

    def together(real: Any) -> Any:
        def looked_up(*given: Any, **named: Any) -> Any:
            found = real(*given, **named)
            gate.wait(30)
            return found

        return looked_up

    def perform_one(run: Callable[[], Performed]) -> None:
        try:
            ended.append(run())
        finally:
            connection.close()

    with (
        patch.object(linking, "find", together(real_find)),
        patch.object(linking, "read", together(real_read)),
    ):
        threads = [threading.Thread(target=perform_one, args=[run]) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(ended) == len(runs)
    return ended


def of(bench: Bench, handler: type[TicketHandler], **parameters: str) -> Callable[[], Performed]:
    return lambda: perform(
        handler, parameters, user=bench.actor.user, account_id=bench.actor.account.pk
    )


def link_with(bench: Bench, failed: Failed, key: str) -> Callable[[], Performed]:
    handler: Any = failed.handler
    return of(bench, handler, **failed.parameters, Key=key)


@pytest.mark.parametrize("word", WORDS)
def test_of_several_links_of_one_step_one_is_made_and_the_others_say_so(word: str) -> None:
    bench = Bench()
    ticket, failed = bench.ticket(), bench.failed(word)

    runs = at_one_moment(*[link_with(bench, failed, ticket.key)] * THREADS)

    good = [run for run in runs if run.state == State.SUCCEEDED]
    refused = [run.error for run in runs if run.state == State.FAILED]
    assert len(good) == 1
    assert len(refused) == THREADS - 1
    assert all("is linked with this" in (error or "") for error in refused), refused
    incident = Incident.objects.get()
    assert good[0].result["IncidentId"] == str(incident.pk)
    assert getattr(incident, failed.links).count() == 1
    assert ExternalTicket.objects.count() == 1
    assert Backlink.objects.count() == BuiltinBacklink.objects.count() == 1


def test_links_of_several_steps_with_one_ticket_share_its_incident() -> None:
    bench = Bench()
    ticket = bench.ticket()
    failed = [bench.failed(word) for word in (*WORDS, "step")]

    runs = at_one_moment(*[link_with(bench, one, ticket.key) for one in failed])

    assert [run.state for run in runs] == [State.SUCCEEDED] * len(failed), runs
    incident = Incident.objects.get()
    assert {run.result["IncidentId"] for run in runs} == {str(incident.pk)}
    links = sum(getattr(incident, name).count() for name in {one.links for one in failed})
    assert links == BuiltinBacklink.objects.count() == len(failed)


def test_of_several_incidents_for_one_ticket_one_is_made() -> None:
    bench = Bench()
    ticket = bench.ticket()
    ask = {"TicketId": ticket.id, "ExternalSystemLinkId": str(bench.link.pk)}

    runs = at_one_moment(*[of(bench, CreateTicketLink, **ask)] * THREADS)

    refused = [run.error for run in runs if run.state == State.FAILED]
    assert refused == [f"The ticket {ticket.key} is kept in step with an incident already."] * 3
    assert Incident.objects.count() == ExternalTicket.objects.count() == 1
