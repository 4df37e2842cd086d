"""The column lists of the four paths that leave the ORM agree with the models."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import NOT_PROVIDED, Model

from backgroundtasks import clock, operations
from backgroundtasks.lifecycle import rows, store
from backgroundtasks.models import Task, TaskStatus
from tests.support import factories


@pytest.mark.parametrize(
    "model, columns", [(Task, rows.TASK_COLUMNS), (TaskStatus, rows.RUN_COLUMNS)]
)
def test_every_column_that_has_no_default_in_the_database_is_written(
    model: type[Model], columns: tuple[str, ...]
) -> None:
    needed = {
        field.column
        for field in model._meta.local_concrete_fields
        if not field.null and field.db_default is NOT_PROVIDED
    }

    assert needed <= set(columns)
    assert set(columns) <= {field.column for field in model._meta.local_concrete_fields}


def test_what_a_claim_reads_are_columns_of_a_run_in_the_order_of_its_fields() -> None:
    columns = {field.column for field in TaskStatus._meta.local_concrete_fields}

    assert set(rows.CLAIMED_COLUMNS) <= columns
    assert rows.ClaimedRun.__slots__ == (*rows.CLAIMED_COLUMNS, "parameters")


@pytest.mark.django_db
@pytest.mark.parametrize("many", [False, True], ids=["submit", "submit_many"])
def test_a_submitted_row_is_the_one_that_the_orm_would_have_written(*, many: bool) -> None:
    actor = factories.actor()
    if many:
        (run_id,) = operations.submit_many(actor, "Work", [{"Steps": 3}], priority=5)
    else:
        run_id = operations.submit(actor, "Work", {"Steps": 3}, priority=5).run_id
    run = TaskStatus.objects.select_related("task").get(pk=run_id)

    fresh = TaskStatus(
        id=run.id,
        task=run.task,
        account=actor.account,
        owner=actor.user,
        task_type="Work",
        priority=5,
        position=run.position,
        run_after=run.queued_at,
        queued_at=run.queued_at,
        modified_at=run.queued_at,
    )
    assert _values(run) == _values(fresh)
    assert run.task.parameters["Steps"] == 3
    assert run.task.created_at == run.queued_at
    assert abs((clock.now() - run.queued_at).total_seconds()) < 60


def _values(row: Model) -> dict[str, Any]:
    return {
        field.name: getattr(row, field.attname)
        if field.db_default is NOT_PROVIDED or row.pk is None
        else _plain(getattr(row, field.attname))
        for field in row._meta.local_concrete_fields
    }


def _plain(value: Any) -> Any:
    """Return the value of a field; of an unsaved one what the database would put there."""
    return getattr(getattr(value, "expression", None), "value", value)


@pytest.mark.django_db
def test_what_a_claim_returns_is_what_is_stored() -> None:
    actor = factories.actor()
    run_id = operations.submit(actor, "Work", {"Result": {"ü": [1, None]}, "Key": "k"}).run_id
    TaskStatus.objects.filter(pk=run_id).update(memory={"step": 4}, processed=3, total=9, text="t")

    (run,) = (
        store()
        .claim("default", most=5, token=1, worker_id=run_id, lease=clock.now() - clock.now())
        .runs
    )

    stored = TaskStatus.objects.get(pk=run_id)
    assert {name: getattr(run, name) for name in rows.CLAIMED_COLUMNS} == {
        name: getattr(stored, name) for name in rows.CLAIMED_COLUMNS
    }
    assert run.parameters["Result"] == {"ü": [1, None]}
