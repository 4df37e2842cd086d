"""Workers on one SQLite file take turns at short runs, and none waits for a dead one."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import operations
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
def test_a_worker_without_the_turn_does_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert (max(asked) == 1) == (connection.vendor == "sqlite")
