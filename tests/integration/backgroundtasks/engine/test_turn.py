"""Workers on one SQLite file take turns at short runs, and none waits for a dead one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import operations
from backgroundtasks.engine import drain, executor
from backgroundtasks.engine.cluster import StopFlag
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.engine.turn import Turn
from backgroundtasks.lifecycle import store
from backgroundtasks.models import TaskStatus
from tests.support import factories


def test_one_process_has_it_until_it_leaves_or_is_killed() -> None:
    turn = Turn()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"1" if turn.take() else b"0")
        signal.pause()
    try:
        assert os.read(reader, 1) == b"1"
        assert not turn.take()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert turn.take()
    turn.leave()


class _Taken(Turn):
    """Another process has it."""

    def take(self) -> bool:
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("writing", [True, False], ids=["that write", "that take no time"])
def test_a_worker_without_the_turn_does_runs_that_write_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, *, writing: bool
) -> None:
    monkeypatch.setattr(drain, "_WRITING", 0.0 if writing else 60.0)
    actor = factories.actor()
    operations.submit_many(actor, "Noop", ({} for _ in range(4)))
    drainer = Drainer(["default"], stop_flag=StopFlag(), turn=_Taken())
    asked: list[int] = []
    claim = store().claim

    def seen(*given: Any, most: int, **named: Any) -> Any:
        asked.append(most)
        return claim(*given, most=most, **named)

    monkeypatch.setattr(store(), "claim", seen)

    assert drainer.drain() == 4

    assert set(TaskStatus.objects.values_list("state", flat=True)) == {"succeeded"}
    # On PostgreSQL writers do not wait for each other.
    assert (max(asked) == 1) == (writing and connection.vendor == "sqlite")


@pytest.mark.django_db(transaction=True)
def test_one_run_that_is_done_alone_tells_nothing_of_those_that_are_done_at_once(
    monkeypatch: pytest.MonkeyPatch, make_handler: Callable[..., Any]
) -> None:
    """Without the turn it is claimed alone; the next ones still have to wait for the turn."""
    monkeypatch.setattr(drain, "_WRITING", 60.0)

    def both(_cls: Any, works: Any) -> Any:
        sizes.append(len(works))
        return {context.run_id: None for context, _ in works}

    sizes: list[int] = []
    make_handler(
        lambda *_: sizes.append(1),
        idempotent=True,
        short=True,
        perform_together=classmethod(both),
    )
    operations.submit_many(factories.actor(), "Played", [{}] * 6)
    drainer = Drainer(["default"], stop_flag=StopFlag(), turn=_Taken())
    drainer._most = 2

    drainer.drain()

    assert sizes == ([2, 1, 1, 1, 1] if connection.vendor == "sqlite" else [2, 4])


class _Noted(Turn):
    """Free, and knows whether this process has it."""

    held = False

    def take(self) -> bool:
        self.held = True
        return True

    def leave(self) -> None:
        self.held = False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "task_type, seconds, held",
    [("ShortWork", 0.0, True), ("ShortWork", 0.5, False), ("Work", 0.0, False)],
)
def test_only_who_works_at_short_ones_that_are_short_keeps_it(
    monkeypatch: pytest.MonkeyPatch, task_type: str, seconds: float, held: bool
) -> None:
    monkeypatch.setattr(drain, "_WRITING", 0.0)
    actor = factories.actor()
    turn = _Noted()
    drainer = Drainer(["default"], stop_flag=StopFlag(), turn=turn)
    operations.submit_many(actor, "Noop", ({} for _ in range(4)))
    operations.submit(actor, task_type, {"Sleep": seconds})
    seen: list[bool] = []
    perform = executor.Execution.perform

    def noted(execution: executor.Execution) -> Any:
        finish = perform(execution)
        if execution.run.task_type == task_type:
            seen.append(turn.held)
        return finish

    monkeypatch.setattr(executor.Execution, "perform", noted)
    drainer.begin()
    try:
        drainer.drain()
    finally:
        drainer.end()

    assert seen == [held and connection.vendor == "sqlite"]
    assert not turn.held
