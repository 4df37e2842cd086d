"""Somebody says how a run ends while a worker is at it: the worker goes on to other work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backgroundtasks import operations
from backgroundtasks.models import TaskStatus
from backgroundtasks.operations import Settlement
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    "order",
    [{"Steps": 6000}, {"Sleep": 60.0}, {"Block": 60.0}],
    ids=["that looks", "that sleeps", "that blocks all threads"],
)
def test_a_handler_lets_go_of_a_run_that_was_settled(tmp_path: Path, order: dict[str, Any]) -> None:
    actor = factories.actor()
    mark = tmp_path / "mark"
    with WorkerCommand(workers=1) as command:
        run_id = operations.submit(actor, "Work", {"Mark": str(mark), **order}).run_id
        wait_for(lambda: read_marks(mark), "the run to begin")

        settled = operations.settle(actor, run_id, lambda _: Settlement(State.SUCCEEDED))
        other = operations.submit(actor, "Work", {"Result": {"By": "other"}}).run_id
        wait_for(
            lambda: TaskStatus.objects.filter(pk=other, state=State.SUCCEEDED).exists(),
            "the only worker to do other work",
        )
        log = command.log()

    assert settled.state == State.SUCCEEDED
    after = TaskStatus.objects.get(pk=run_id)
    assert after.state in FINAL
    assert (after.state, after.finished_at, after.result) == (
        State.SUCCEEDED,
        settled.finished_at,
        None,
    )
    assert len(read_marks(mark)) == 1
    assert ("worker.killed" in log) == ("Steps" not in order)
