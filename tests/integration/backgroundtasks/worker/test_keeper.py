"""The keeper: several at once do no harm, and it blames no worker for what was not its fault."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from backgroundtasks import clock, conf
from backgroundtasks.engine import reaper
from backgroundtasks.lifecycle import arrows, flushing
from backgroundtasks.models import AccessToken, Attempt, IdempotencyKey, TaskStatus, Worker
from backgroundtasks.states import PENDING, State
from backgroundtasks.worker.keeper import Keeper
from tests.support import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


class HandClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def monotonic() -> HandClock:
    return HandClock()


def _expired_elsewhere(**values: Any) -> TaskStatus:
    worker = Worker.objects.create(id=uuid.uuid4(), host="there", host_id="other", pid=1)
    return factories.run(
        State.RUNNING,
        worker_id=worker.pk,
        lease_until=clock.now() - timedelta(seconds=1),
        task_type="AgainWork",
        **values,
    )


def test_a_round_does_all_that_is_due(monotonic: HandClock) -> None:
    due = factories.run(State.SCHEDULED, run_after=clock.now() - DAY)
    expired = _expired_elsewhere()
    old = factories.run(State.SUCCEEDED, expires_at=clock.now() - DAY)
    key = IdempotencyKey.objects.create(
        account=due.account, user=due.owner, route="r", key="k", digest="d", run=due
    )
    IdempotencyKey.objects.filter(pk=key.pk).update(created_at=clock.now() - 2 * DAY)
    AccessToken.objects.create(digest="d", user=due.owner, expires_at=clock.now() - 2 * DAY)

    Keeper(monotonic).round()

    states = dict(TaskStatus.objects.values_list("pk", "state"))
    assert states == {due.pk: State.QUEUED, expired.pk: State.SCHEDULED}
    assert old.pk not in states
    assert not IdempotencyKey.objects.exists()
    assert not AccessToken.objects.exists()


def test_what_a_flush_did_not_get_through_is_flushed_in_the_next_round(
    monotonic: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    portions = [150] * 3 + [0] * 9

    def flush() -> int:
        monotonic.seconds += 1.5
        return portions.pop(0)

    monkeypatch.setattr(flushing, "flush", flush)
    keeper = Keeper(monotonic)

    left = []
    for _ in range(3):
        keeper.round()
        left.append(len(portions))

    assert left == [10, 8, 8]


def test_many_runs_that_are_due_at_once_are_queued_in_one_round(
    monotonic: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = factories.actor()
    for _ in range(7):
        factories.run(State.SCHEDULED, owner=owner, run_after=clock.now() - DAY)
    promote = arrows.promote_due
    monkeypatch.setattr(arrows, "promote_due", lambda: promote(limit=2))

    Keeper(monotonic).round()

    assert set(TaskStatus.objects.values_list("state", flat=True)) == {State.QUEUED}


def test_several_keepers_settle_a_run_once(monotonic: HandClock) -> None:
    run = _expired_elsewhere()
    keepers = [Keeper(monotonic) for _ in range(3)]

    for keeper in keepers:
        keeper.round()

    run.refresh_from_db()
    # On a slow machine the next attempt may be due already.
    assert run.state in PENDING
    assert run.attempt == 1
    assert Attempt.objects.count() == 1


def test_looks_after_runs_also_when_the_installations_own_tasks_cannot_be_made(
    monotonic: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def fail() -> int:
        tried.append(monotonic.seconds)
        raise RuntimeError("there are two accounts of its name")

    monkeypatch.setattr("backgroundtasks.worker.keeper.make_system_tasks", fail)
    due = factories.run(State.SCHEDULED, run_after=clock.now() - DAY)
    keeper = Keeper(monotonic)

    for _ in range(10):
        keeper.round()
        monotonic.seconds += 10.0

    due.refresh_from_db()
    assert due.state == State.QUEUED
    assert tried == [100.0, 160.0]


@pytest.mark.parametrize(
    "name", ["promote_due", "reap_dead_workers", "enforce_timeouts"], ids=lambda name: name
)
def test_the_database_being_away_is_said_once_and_that_it_is_back_once(
    monotonic: HandClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    keeper = Keeper(monotonic)
    module: Any = arrows if name == "promote_due" else reaper

    def away() -> int:
        raise OperationalError("the server\nis gone")

    with monkeypatch.context() as broken:
        # In a test's transaction the connection must stay open.
        broken.setattr("backgroundtasks.worker.keeper.connection.close", lambda: None)
        broken.setattr(module, name, away)
        for _ in range(3):
            keeper.round()
    keeper.round()
    keeper.round()

    assert [record.message for record in caplog.records] == [
        "keeper.database_lost error=the server; it goes on by itself when the database is back",
        "keeper.database_back",
    ]


def test_after_the_database_was_away_workers_get_time_to_renew(monotonic: HandClock) -> None:
    keeper = Keeper(monotonic)
    keeper.round()
    run = _expired_elsewhere()
    monotonic.seconds += conf.LEASE.total_seconds()

    keeper.round()
    run.refresh_from_db()
    assert run.state == State.RUNNING

    monotonic.seconds += 2 * conf.HEARTBEAT.total_seconds()
    keeper.round()
    run.refresh_from_db()
    assert run.state == State.SCHEDULED


def test_while_a_lock_keeps_everybody_from_writing_no_lease_is_judged(
    monotonic: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(monotonic)
    run = _expired_elsewhere()
    monkeypatch.setattr(reaper, "_PROMPT", -1.0)

    keeper.round()
    run.refresh_from_db()
    assert run.state == State.RUNNING

    monkeypatch.setattr(reaper, "_PROMPT", 60.0)
    keeper.round()
    run.refresh_from_db()
    assert run.state == State.RUNNING

    monotonic.seconds += 2 * conf.HEARTBEAT.total_seconds()
    keeper.round()
    run.refresh_from_db()
    assert run.state == State.SCHEDULED


def test_an_error_in_a_round_ends_neither_the_keeper_nor_its_command(
    monotonic: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper(monotonic)
    with monkeypatch.context() as broken:
        broken.setattr(reaper, "enforce_timeouts", lambda: 1 / 0)
        keeper.round()
    keeper.round()

    assert [record.message for record in caplog.records] == [
        "keeper.round_failed; it goes on with the next round"
    ]
