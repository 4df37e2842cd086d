"""Queries that are asked again and again: their plans are kept, and values stay what they are."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from backgroundtasks import queries
from backgroundtasks.api.statements import KeptStatement
from backgroundtasks.lifecycle import store
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

needs_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite plans in microseconds"
)


def test_what_is_read_is_what_the_orm_reads() -> None:
    run = factories.run(result={"values": {"a": [1, None]}}, labels={"team": "core"})
    actor = queries.operator_in(
        factories.UserFactory.create(is_superuser=True), run.account_id, origin="code"
    )
    columns = ("id", "result", "queued_at", "attempt", "task__labels", "started_at")
    statement = KeptStatement(columns)

    for _ in range(5):
        row = statement.read(actor, run.pk)

    assert row == queries.visible_runs(actor).values_list(*columns).get(pk=run.pk)
    assert statement.read(actor, run.task_id) is None


@needs_postgres
def test_the_plan_is_kept() -> None:
    for n in range(5):
        assert store().read("SELECT %s::int AS kept_plan", [n]) == [(n,)]

    kept = store().read(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%kept_plan"]
    )
    assert kept == [(1,)]


@needs_postgres
def test_a_value_whose_type_only_itself_tells_is_taken() -> None:
    sql = "SELECT jsonb_build_object('a', %s)->>'a'"

    assert store().read(sql, ["b"]) == [("b",)]
    assert store().read_each(sql, [["b"], ["c"]]) == [[("b",)], [("c",)]]


def test_queries_that_are_counted_are_seen(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        assert store().read("SELECT 7", []) == [(7,)]
