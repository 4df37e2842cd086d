"""
The lists of operators go through indexes, however many runs there are.

Measured with a million runs on both databases: every page under 0.1 s but searches for words
(0.1 to 0.4 s). Here only the plans are looked at: a test database is too small to be slow, so
PostgreSQL is told not to walk the table where an index would do.
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import QuerySet

from backgroundtasks import queries
from backgroundtasks.handlers import Actor
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

INDEX_OF = {
    State.SCHEDULED: "run_due",
    State.QUEUED: "run_claim",
    State.RUNNING: "run_lease",
    State.WAITING: "run_standing",
    State.PAUSING: "run_lease",
    State.PAUSED: "run_standing",
    State.CANCELLING: "run_lease",
    State.SUCCEEDED: "run_list_ended",
    State.WARNED: "run_list_ended",
    State.FAILED: "run_list_ended",
    State.CANCELLED: "run_list_ended",
    State.SKIPPED: "run_list_ended",
    State.LOST: "run_list_ended",
}


@pytest.fixture
def operator() -> Actor:
    actor = factories.actor("admin", is_superuser=True)
    for state in State:
        factories.run(state, owner=actor)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    return actor


def plan(runs: QuerySet[TaskStatus]) -> str:
    return runs.select_related("task", "owner").order_by("-position", "-pk")[:50].explain()


def test_the_list_of_an_account(operator: Actor) -> None:
    assert "run_list" in plan(queries.visible_runs(operator))


def test_the_list_of_a_type(operator: Actor) -> None:
    found = plan(queries.visible_runs(operator).filter(task_type="Work"))

    # PostgreSQL chooses by its statistics; what counts is that it never walks the table.
    assert "run_list" in found
    assert "Seq Scan on backgroundtasks_taskstatus" not in found


@pytest.mark.parametrize("state", INDEX_OF)
def test_each_state(operator: Actor, state: State) -> None:
    found = plan(queries.visible_in_states(operator, [state]))

    if connection.vendor == "sqlite":
        assert f"INDEX {INDEX_OF[state]}" in found
    else:
        # PostgreSQL chooses by its statistics; what counts is that it never walks the table.
        assert "Seq Scan on backgroundtasks_taskstatus" not in found


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by its statistics")
def test_what_a_scrape_counts() -> None:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        queries.queue_health()
        queries.runs_by_state_and_type()
        queries.recent_runs_by_state()
        queries.recent_problems()
        queries.held_runs()

    for query in asked.captured_queries:
        if "taskstatus" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                steps = [row[3] for row in cursor.fetchall()]
            walks = [step for step in steps if "backgroundtasks_taskstatus" in step]
            assert all("INDEX run_" in step for step in walks), (query["sql"], steps)


def test_searches_look_at_the_newest_runs_only(operator: Actor) -> None:
    newest = queries.among_newest(operator, 3)

    found = queries.visible_runs(operator).filter(newest).order_by("-position")

    assert [run.state for run in found] == ["lost", "skipped", "cancelled"]
    assert not queries.among_newest(operator, 3, states=[State.RUNNING])
    assert queries.visible_runs(operator).filter(queries.among_newest(operator, 99)).count() == len(
        State
    )
