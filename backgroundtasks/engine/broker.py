"""
The broker: it only says "there is work".

The run table is the queue. Tokens carry no ids, so they can be lost or doubled without harm.
One unread token is enough: it will be read later than every commit before it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
from django.db import DatabaseError, InterfaceError, connection, connections
from django_q.brokers import Broker

from backgroundtasks import conf
from backgroundtasks.engine import wakeup
from backgroundtasks.lifecycle import store
from backgroundtasks.lifecycle.rows import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backgroundtasks.engine.packet_queue import PacketQueue

logger = logging.getLogger(__name__)

#: `dequeue` returns at least so often: the pusher looks at its stop event only between.
_PATIENCE: Final = 0.5


class Listener(Protocol):
    """How a database tells that something was committed."""

    #: Least seconds between two tokens: lets submissions gather under load.
    gap: float
    #: What it hears is always of work, so nobody needs to look first.
    is_sure: bool

    def wait(self, seconds: float) -> bool:
        """Wait for a commit that may have brought work; return whether there was one."""

    def close(self) -> None:
        """Give up what it listens on; it may be broken."""


class PostgresListener:
    """LISTEN on a connection of its own."""

    gap = 0.02
    is_sure = True

    def __init__(self) -> None:
        self._wrapper = connections["default"].copy()
        self._wrapper.connect()
        self._raw: psycopg.Connection[Any] = self._wrapper.connection
        self._raw.execute(f"LISTEN {CHANNEL}")

    def wait(self, seconds: float) -> bool:
        """Wait for a notification."""
        return any(True for _ in self._raw.notifies(timeout=seconds, stop_after=1))

    def close(self) -> None:
        """Close its connection."""
        self._raw.close()


class SqliteListener:
    """Watch the counter that every commit of another connection moves."""

    gap = 0.005
    is_sure = False

    def __init__(self) -> None:
        self._seen = self._version()

    def wait(self, seconds: float) -> bool:
        """Look every few milliseconds; a change that brought no work is passed over."""
        until = time.monotonic() + seconds
        pause = conf.SQLITE_POLL.total_seconds()
        while time.monotonic() < until:
            version = self._version()
            if version != self._seen:
                self._seen = version
                return True
            time.sleep(pause)
        return False

    def close(self) -> None:
        """Do nothing: it looks through the broker's own connection."""

    def _version(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])


class WorkBroker(Broker):  # type: ignore[misc]  # django-q2 has no types
    """Emits a token when work may have come and no token waits unread."""

    #: Where the workers read them; set by the sentinel before the pusher is forked.
    tokens: PacketQueue

    def __init__(self, queues: Sequence[str]) -> None:
        super().__init__()
        self._queues = queues
        self._listener: Listener | None = None
        self._not_before = 0.0
        self._poll_at = 0.0
        self._news = False
        self._told = False
        self._lost_since: float | None = None

    def dequeue(self) -> list[tuple[None, str]]:
        """
        Emit one token when there may be work; within half a second.

        Returns:
            Nothing: what the pusher gets from here it unpacks, verifies and packs again, while
            the run waits.
        """
        try:
            self._next()
        except (DatabaseError, InterfaceError, psycopg.Error) as error:
            self._reconnect_later(error)
        return []

    def _next(self) -> None:
        if self._listener is None:
            self._listener = self._connect()
        until = time.monotonic() + _PATIENCE
        while True:
            now = time.monotonic()
            if not self.tokens.empty():
                # Whatever was committed until now will be seen when that token is read.
                self._news = self._told = False
                # An overdue poll would have it look without a pause for as long as workers are busy.
                self._poll_at = now + conf.SLOW_POLL.total_seconds()
            elif self._news or now >= self._poll_at:
                time.sleep(max(0.0, self._not_before - now))
                found = self._told or store().has_work(self._queues)
                self._is_back()
                self._news = self._told = False
                self._poll_at = time.monotonic() + conf.SLOW_POLL.total_seconds()
                if found:
                    self._not_before = time.monotonic() + self._listener.gap
                    self.tokens.put(wakeup.token())
                    return
            if now >= until:
                return
            pause = min(until, max(self._poll_at, now)) - now
            heard = self._listener.wait(max(0.001, pause))
            self._news = heard or self._news
            self._told = heard and self._listener.is_sure

    def _connect(self) -> Listener:
        listener = PostgresListener() if connection.vendor == "postgresql" else SqliteListener()
        # What was committed while nobody listened.
        self._news = True
        return listener

    def _is_back(self) -> None:
        if self._lost_since is not None:
            logger.warning("broker.database_back after=%.1fs", time.monotonic() - self._lost_since)
            self._lost_since = None

    def _reconnect_later(self, error: Exception) -> None:
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            logger.error(
                "broker.database_lost error=%s; it reconnects by itself, runs wait meanwhile",
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            )
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        connection.close()
        time.sleep(_PATIENCE)

    def ping(self) -> bool:
        """Say yes: losing the database is this broker's everyday business."""
        return True

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Keep nothing: workers say in the database that they live."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> None:
        """Connect later, in the process that listens."""
