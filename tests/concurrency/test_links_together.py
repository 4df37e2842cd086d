"""Links that are made together wait for others who hold several rows, and never in a ring."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from backgroundtasks.handlers.testing import perform, perform_together
from backgroundtasks.states import State
from tests.support.http import Caller
from tests.support.linking import Bench, Failed
from tests.support.projects import send
from tests.support.waiting import wait_for
from tickets import manual_runs, removal, staging, trackers
from tickets.models import (
    AgileRunStep,
    AutomatedTestRun,
    Incident,
    Outcome,
    PicklistItem,
    StepResult,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _one_writer() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: whoever comes second waits")


def linked_while(
    bench: Bench, works: list[tuple[Failed, trackers.Ticket]], table: str, other: Callable[[], Any]
) -> list[Any]:
    """
    Link together, and let another do its work when the first row of a table is held.

    Returns:
        What the other raised.
    """
    raised: list[Any] = []

    def do() -> None:
        try:
            other()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test asks for
            raised.append(error)
        finally:
            connection.close()

    doing = threading.Thread(target=do)
    holds = 0

    def begin_between(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal holds
        if "FOR NO KEY UPDATE" in sql and f'FROM "{table}"' in sql:
            holds += 1
            if holds == 2:
                doing.start()
                wait_for(lambda: not doing.is_alive() or somebody_waits(), "the other")
        return execute(sql, *rest)

    with connection.execute_wrapper(begin_between):
        done = perform_together(
            works[0][0].handler,
            [{**failed.parameters, "Key": ticket.key} for failed, ticket in works],
            user=bench.actor.user,
            account_id=bench.actor.account.pk,
        )
    doing.join(30)
    assert holds == 2
    assert all(run is not None and run.state == State.SUCCEEDED for run in done)
    return raised


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def known(bench: Bench, number: int) -> tuple[trackers.Ticket, Incident]:
    """Return a ticket that has an incident."""
    ticket, failed = bench.ticket(f"Number {number}"), bench.step()
    run = perform(
        failed.handler,
        {**failed.parameters, "Key": ticket.key},
        user=bench.actor.user,
        account_id=bench.actor.account.pk,
    )
    return ticket, Incident.objects.get(pk=run.result["IncidentId"])


def descending(make: Callable[[int], Any], pk: Callable[[Any], Any]) -> list[Any]:
    """Return two rows, of which the one that was made first has the higher id."""
    made: list[Any] = []
    while True:
        made.append(make(len(made)))
        for first, second in pairwise(made):
            if pk(first) > pk(second):
                return [first, second]


@pytest.mark.parametrize("way", ["removed", "loosened"])
def test_with_incidents_that_are_held_together(way: str) -> None:
    bench = Bench()
    pairs = descending(lambda number: known(bench, number), lambda pair: pair[1].pk)
    incidents = Incident.objects.filter(pk__in=[incident.pk for _, incident in pairs])

    def hold() -> None:
        with transaction.atomic():
            staging.hold(incidents)

    def loosen() -> None:
        status = PicklistItem.objects.filter(pk__in=incidents.values("status"))
        removal.finish(removal.remove(status))

    raised = linked_while(
        bench,
        [(bench.step(), ticket) for ticket, _ in pairs],
        "tickets_externalticket",
        {"removed": hold, "loosened": loosen}[way],
    )

    assert raised == []


def test_with_results_of_the_steps_that_are_stored() -> None:
    bench = Bench()
    ticket, _ = known(bench, 0)
    first = bench.step()
    run = first.target.run

    def beside(number: int) -> StepResult:
        return StepResult.objects.create(run=run, position=number + 1)

    steps = descending(beside, lambda step: step.pk)
    results = {step.pk: manual_runs.Result(Outcome.FAILED, "No.") for step in steps}

    raised = linked_while(
        bench,
        [(Failed(first.handler, {"StepResultId": str(s.pk)}, s, "", ""), ticket) for s in steps],
        "tickets_stepresult",
        lambda: manual_runs.record(run.pk, bench.actor.user, results),
    )

    assert raised == []
    assert set(StepResult.objects.filter(pk__in=results).values_list("outcome", flat=True)) == {
        Outcome.FAILED
    }


def test_with_steps_of_an_agile_run_that_are_stored() -> None:
    bench = Bench()
    ticket, _ = known(bench, 0)
    first = bench.agile_step()
    run = first.target.run

    def beside(number: int) -> AgileRunStep:
        return AgileRunStep.objects.create(run=run, position=number + 1)

    steps = descending(beside, lambda step: step.pk)
    given = [{"Id": str(step.pk), "Result": "Failed"} for step in run.steps.order_by("position")]

    def store() -> None:
        answer = send(Caller(bench.actor), "PUT", f"/api/agilerun/{run.pk}", {"Steps": given})
        assert answer.status_code == 200, answer.content

    works = [
        Failed(first.handler, {"AgileRunId": str(run.pk), "StepId": str(step.pk)}, step, "", "")
        for step in steps
    ]
    raised = linked_while(
        bench, [(failed, ticket) for failed in works], "tickets_agilerunstep", store
    )

    assert raised == []


def test_with_runs_of_automated_tests_that_are_hidden() -> None:
    bench = Bench()
    ticket, _ = known(bench, 0)
    nodes = descending(lambda _: bench.node(), lambda failed: failed.target.run_id)
    run_ids = [failed.target.run_id for failed in nodes]

    raised = linked_while(
        bench,
        [(failed, ticket) for failed in nodes],
        "tickets_automatedtestrun",
        lambda: removal.finish(removal.remove(AutomatedTestRun.objects.filter(pk__in=run_ids))),
    )

    assert raised == []
    assert not AutomatedTestRun.objects.filter(pk__in=run_ids).exists()
