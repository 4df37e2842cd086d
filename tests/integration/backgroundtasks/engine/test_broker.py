"""The broker: it says that there is work, and survives the database."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from backgroundtasks import operations
from backgroundtasks.engine.cluster import WorkBroker
from backgroundtasks.engine.packet_queue import PacketQueue
from backgroundtasks.lifecycle import store
from tests.support import factories

broker = sys.modules[WorkBroker.__module__]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def work_broker(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(broker, "_PATIENCE", 0.05)
    made = WorkBroker(["default"])
    made.tokens = PacketQueue()
    yield made
    made.tokens.close()
    if made._listener is not None:
        made._listener.close()


def _emitted(work_broker: Any) -> bool:
    for _ in range(5):
        work_broker.dequeue()
    return not work_broker.tokens.empty()


def test_emits_a_token_when_there_is_work_and_none_when_there_is_not(work_broker: Any) -> None:
    assert not _emitted(work_broker)

    operations.submit(factories.actor(), "Work", {})
    work_broker._poll_at = 0.0  # on SQLite it does not see commits of its own connection

    assert _emitted(work_broker)


def test_emits_nothing_while_a_token_waits_unread(work_broker: Any) -> None:
    operations.submit(factories.actor(), "Work", {})
    work_broker.tokens.put("token")

    assert _emitted(work_broker)
    assert work_broker.tokens.get() == "token"
    assert work_broker.tokens.empty()


def test_waits_in_peace_while_a_token_waits_unread_and_a_poll_is_overdue(
    work_broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_broker.dequeue()
    work_broker._poll_at = 0.0
    work_broker.tokens.put("token")
    waits: list[float] = []
    wait = work_broker._listener.wait
    monkeypatch.setattr(
        work_broker._listener, "wait", lambda seconds: waits.append(seconds) or wait(seconds)
    )

    work_broker.dequeue()

    assert len(waits) <= 3


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_lost_database_is_said_once_and_its_listener_is_closed(
    work_broker: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def away(*_: Any) -> bool:
        raise error

    work_broker.dequeue()
    closed: list[int] = []
    close = work_broker._listener.close
    monkeypatch.setattr(work_broker._listener, "close", lambda: (closed.append(1), close()))
    with monkeypatch.context() as broken:
        broken.setattr(store(), "has_work", away)
        work_broker._poll_at = 0.0
        work_broker.dequeue()
        work_broker.dequeue()
    operations.submit(factories.actor(), "Work", {})
    work_broker._poll_at = 0.0  # on SQLite it does not see commits of its own connection

    assert _emitted(work_broker)
    assert closed == [1]
    assert [record.message.split()[0] for record in caplog.records] == [
        "broker.database_lost",
        "broker.database_back",
    ]


@pytest.mark.postgres
def test_a_lost_listener_leaves_no_connection_behind(work_broker: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    work_broker.dequeue()
    raw = work_broker._listener._raw

    work_broker._reconnect_later(OperationalError("gone"))

    assert raw.closed
