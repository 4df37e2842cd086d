"""P4: the database goes and comes back in the middle of a run; nothing accepted is lost."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from backgroundtasks import operations
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, read_marks

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

AWAY = 6.0
#: Longer than the lease of the command under test.
LOCKED = 6.0


@contextmanager
def _database_away() -> Iterator[None]:
    """Throw everybody out of the test's database and let nobody in."""
    settings = connection.settings_dict
    name = settings["NAME"]
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"] or 5432,
        user=settings["USER"],
        password=settings["PASSWORD"] or None,
        dbname="template1",
        autocommit=True,
    ) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    connection.close()


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [2.0, AWAY + 2.0], ids=["ends while away", "outlasts it"])
def test_postgresql_away_for_seconds_loses_nothing_and_is_said_once(
    tmp_path: Path, seconds: float
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    mark = tmp_path / "mark"
    actor = factories.actor()
    with WorkerCommand(LEASE=20.0) as command:
        long = operations.submit(
            actor, "Work", {"Mark": str(mark), "Sleep": seconds, "Result": {"Done": 1}}
        )
        wait_for(lambda: len(read_marks(mark)) == 1, "the run to begin")
        waiting = operations.submit_many(actor, "Work", [{"Mark": str(mark)}] * 5)
        wait_for(lambda: len(read_marks(mark)) == 6, "the short ones to be done")
        with _database_away():
            time.sleep(AWAY)  # this is the thing that is tested, not a wait for something
        after = operations.submit(actor, "Work", {"Mark": str(mark)})
        wait_for(
            lambda: not TaskStatus.objects.exclude(state__in=FINAL).exists(), "all runs to end"
        )
        wait_for(lambda: "keeper.database_back" in command.log(), "the keeper to be back")
        pids = {worker.pid for worker in command.workers()}
        log = command.log()

    runs = {run.pk: run for run in TaskStatus.objects.all()}
    assert set(runs) == {long.run_id, *waiting, after.run_id}
    assert {(run.state, run.attempt) for run in runs.values()} == {(State.SUCCEEDED, 1)}
    assert runs[long.run_id].result == {"values": {"Done": 1}, "warnings": []}
    executed = [run_id for run_id, _, _ in read_marks(mark)]
    assert sorted(executed) == sorted(map(str, runs))
    assert not Attempt.objects.exists()
    assert len(pids) == 2
    assert "worker.replaced" not in log
    for who in ("keeper", "broker"):
        assert len(re.findall(rf"{who}\.database_lost", log)) == 1
        assert len(re.findall(rf"{who}\.database_back", log)) == 1
    lost = re.findall(r"worker\.database_lost worker=(\S+)", log)
    assert sorted(lost) == sorted(set(lost))
    assert sorted(re.findall(r"worker\.database_back worker=(\S+)", log)) == sorted(lost)
    if seconds < AWAY:
        assert lost


def test_sqlite_locked_for_seconds_loses_nothing(tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("needs SQLite")
    mark = tmp_path / "mark"
    actor = factories.actor()
    with WorkerCommand() as command:
        first = operations.submit(actor, "Work", {"Mark": str(mark), "Sleep": 1.0})
        second = operations.submit(actor, "Work", {"Mark": str(mark), "Sleep": 1.0})
        third = operations.submit(actor, "Work", {"Mark": str(mark)})
        wait_for(lambda: len(read_marks(mark)) == 2, "two runs to begin")
        locker = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED)  # this is the thing that is tested, not a wait for something
        locker.execute("ROLLBACK")
        locker.close()
        wait_for(
            lambda: not TaskStatus.objects.exclude(state__in=FINAL).exists(), "all runs to end"
        )
        log = command.log()

    runs = {run.pk: run for run in TaskStatus.objects.all()}
    assert set(runs) == {first.run_id, second.run_id, third.run_id}
    assert {(run.state, run.attempt) for run in runs.values()} == {(State.SUCCEEDED, 1)}
    assert len(read_marks(mark)) == 3
    assert "worker.replaced" not in log
    assert "worker.killed" not in log
