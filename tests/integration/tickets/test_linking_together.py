"""Links that are made together are what links made one by one are."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks.handlers.testing import Performed, perform, perform_together
from backgroundtasks.lifecycle import store
from backgroundtasks.states import State
from indexing.models import Relationship
from tests.support.linking import WORDS, Bench, Failed
from tests.support.projects import ExternalSystemFactory
from tickets import trackers
from tickets.models import (
    AutomatedTestRun,
    Backlink,
    BuiltinBacklink,
    BuiltinTicket,
    ExternalTicket,
    Incident,
    Stage,
)

pytestmark = pytest.mark.django_db


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


def link_together(
    bench: Bench, works: list[tuple[Failed, str]], **values: Any
) -> list[Performed | None]:
    return perform_together(
        works[0][0].handler,
        [{**failed.parameters, "Key": key} for failed, key in works],
        user=bench.actor.user,
        account_id=bench.actor.account.pk,
        **values,
    )


def known(bench: Bench, word: str = "step", summary: str = "Refund") -> trackers.Ticket:
    """Return a ticket that has an incident."""
    ticket = bench.ticket(summary)
    assert link(bench, bench.failed(word), ticket.key).state == State.SUCCEEDED
    return ticket


@pytest.mark.parametrize("word", WORDS)
def test_everything_is_as_if_each_was_linked_alone(bench: Bench, word: str) -> None:
    one, other = (known(bench, word, summary) for summary in ("Refund", "Rounding"))
    alone, *together = (bench.failed(word) for _ in range(4))
    single = link(bench, alone, one.key)

    runs = link_together(bench, list(zip(together, (one.key, other.key, one.key), strict=True)))

    incidents = {row.key: row.incident_id for row in ExternalTicket.objects.all()}
    for failed, run, ticket in zip(together, runs, (one, other, one), strict=True):
        assert run is not None
        assert (run.state, run.progress) == (single.state, single.progress)
        incident = Incident.objects.get(**{f"{failed.links}__{_found_by(failed)}": failed.target})
        assert run.result == {
            "IncidentId": str(incidents[ticket.key]),
            "Key": ticket.key,
            "Url": ticket.url,
        }
        assert incident.pk == incidents[ticket.key]
        assert Relationship.objects.filter(
            source_id=incident.pk, destination_id__in=[failed.target.pk, failed.target.run_id]
        ).exists()
        [back] = Backlink.objects.filter(url__contains=str(failed.target.pk))
        [there] = BuiltinBacklink.objects.filter(global_id=back.global_id)
        assert (back.state, back.reference) == (Backlink.State.MADE, str(there.pk))
        assert (there.ticket_id, there.url, there.title) == (int(ticket.id), back.url, back.title)
    assert len({row.made_by for row in Backlink.objects.all()}) == Backlink.objects.count() == 6


def _found_by(failed: Failed) -> str:
    found_by: str = Incident._meta.get_field(failed.links).related_model.found_by  # type: ignore[union-attr]
    return found_by


class TestPerformedAlone:
    """What is not simple, by the run that it is for: it says why, or makes what is missing."""

    def test_is_a_ticket_that_has_no_incident(self, bench: Bench) -> None:
        ticket = bench.ticket()

        assert link_together(bench, [(bench.step(), ticket.key)] * 2) == [None, None]
        assert not Incident.objects.exists()

    def test_is_the_second_link_of_one_step_and_ticket(self, bench: Bench) -> None:
        ticket, failed = known(bench), bench.step()

        first, second = link_together(bench, [(failed, ticket.key)] * 2)

        assert first is not None
        assert second is None
        assert "is linked with this step result already" in link(bench, failed, ticket.key).error

    def test_is_a_key_that_no_or_more_than_one_tracker_has(self, bench: Bench) -> None:
        ambiguous = known(bench)
        other = bench.linked("OPS")
        clear = bench.ticket("Only there", other)
        link(bench, bench.step(), clear.key)
        bench.linked("TST")
        keys = [ambiguous.key, "TST-99", "no key", clear.key]

        done = link_together(bench, [(bench.step(), key) for key in keys])

        assert [run is not None for run in done] == [False, False, False, True]

    def test_is_a_step_that_is_gone_or_another_accounts(self, bench: Bench) -> None:
        ticket, theirs, gone, ours = known(bench), Bench().step(), bench.step(), bench.step()
        gone.target.delete()

        done = link_together(bench, [(failed, ticket.key) for failed in (theirs, gone, ours)])

        assert [run is not None for run in done] == [False, False, True]

    def test_is_a_node_whose_run_was_hidden_meanwhile(self, bench: Bench) -> None:
        ticket, hidden, shown = known(bench, "node"), bench.node(), bench.node()
        key = {**hidden.parameters, "Key": ticket.key}
        found = hidden.handler._wanted  # type: ignore[attr-defined]

        def hide(works: Any) -> Any:
            wanted = found(works)
            AutomatedTestRun.objects.filter(pk=hidden.target.run_id).update(stage=Stage.DISCARDED)
            return wanted

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hidden.handler, "_wanted", hide)
            done = link_together(bench, [(hidden, ticket.key), (shown, ticket.key)])

        assert [run is not None for run in done] == [False, True]
        assert (
            "does not exist"
            in perform(hidden.handler, key, account_id=bench.actor.account.pk).error
        )

    def test_is_what_another_tracker_must_be_asked_for(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticket = known(bench)
        away = ExternalSystemFactory.create(
            account=bench.actor.account, kind="roundup", base_url="https://bugs.example"
        )
        bench.linked("", external_system=away)
        monkeypatch.setattr("tickets.asking.ask_all", lambda *_, **__: pytest.fail("asked"))

        assert link_together(bench, [(bench.step(), ticket.key)] * 2) == [None, None]

    def test_is_a_ticket_that_went_from_its_tracker(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticket = known(bench)
        BuiltinBacklink.objects.all().delete()
        BuiltinTicket.objects.all().delete()

        assert link_together(bench, [(bench.step(), ticket.key)] * 2) == [None, None]

    def test_is_a_ticket_whose_incident_is_kept_in_step_through_another_link(
        self, bench: Bench
    ) -> None:
        """The way back is asked of that one, which may lead elsewhere by now."""
        ticket = known(bench)
        bench.link.tracker_project = "OPS"
        bench.link.save()
        bench.linked("TST", external_system=bench.link.external_system)

        assert link_together(bench, [(bench.step(), ticket.key)] * 2) == [None, None]
        alone = link(bench, bench.step(), ticket.key)

        assert alone.state == State.WARNED
        assert "has no link back" in alone.warnings[0]

    def test_is_not_what_chose_one_of_two_trackers(self, bench: Bench) -> None:
        ticket = known(bench)
        bench.linked("TST")
        failed = bench.step()
        chosen = {
            **failed.parameters,
            "Key": ticket.key,
            "ExternalSystemLinkId": str(bench.link.pk),
        }
        unknown = {**chosen, "ExternalSystemLinkId": str(uuid.uuid4())}

        done = perform_together(
            failed.handler, [chosen, unknown], account_id=bench.actor.account.pk
        )

        assert [run is not None for run in done] == [True, False]
        assert ExternalTicket.objects.get().key == ticket.key


def test_nothing_is_written_and_nobody_waits_for_it_where_nothing_can_be_linked(
    bench: Bench,
) -> None:
    """SQLite has one writer."""
    works = [(bench.step(), "TST-99")] * 2

    with CaptureQueriesContext(connection) as asked:
        assert link_together(bench, works) == [None, None]

    assert asked
    assert [one["sql"] for one in asked if not one["sql"].startswith("SELECT")] == []


class Killed(BaseException):
    """Ends the attempt as SIGKILL does."""


def test_killed_before_any_write_it_is_done_again_once_for_each(bench: Bench) -> None:
    ticket = known(bench)
    at = 0
    while True:
        at += 1
        works = [(bench.step(), ticket.key) for _ in range(2)]
        run_ids = [uuid.uuid4(), uuid.uuid4()]
        count = 0

        def kill(execute: Any, sql: str, *rest: Any, at: int = at) -> Any:
            nonlocal count
            if sql.startswith("INSERT"):
                count += 1
                if count == at:
                    raise Killed
            return execute(sql, *rest)

        try:
            with connection.execute_wrapper(kill):
                link_together(bench, works, run_ids=run_ids)
        except Killed:
            for (failed, key), run_id in zip(works, run_ids, strict=True):
                again = link(bench, failed, key, run_id=run_id, attempt=2)
                assert again.state == State.SUCCEEDED
        for failed, _ in works:
            assert failed.target.incident_links.count() == 1
            assert BuiltinBacklink.objects.filter(url__contains=str(failed.target.pk)).count() == 1
        if count < at:
            break
    assert at > 8, "four rows are written for each of two links"


def test_fifty_links_wait_for_the_database_as_often_as_two(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL what is sent together is one round trip."""
    tickets = [known(bench, summary=f"Number {number}") for number in range(5)]
    calls: list[str] = []
    for name in ("read", "read_each"):
        original = getattr(store(), name)

        def counted(sql: str, *rest: Any, original: Any = original) -> Any:
            calls.append(sql)
            return original(sql, *rest)

        monkeypatch.setattr(store(), name, counted)

    def calls_for(count: int) -> int:
        works = [(bench.step(), tickets[number % 5].key) for number in range(count)]
        calls.clear()
        assert all(link_together(bench, works))
        return len(calls)

    assert calls_for(50) == calls_for(2)
