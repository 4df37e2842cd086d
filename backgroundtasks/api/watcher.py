"""
Live runs: one thread of a web process looks at every watched run, and tells who waits.

A stream holds no database connection: the watcher reads all watched runs in one query five
times a second, over its own connection, and closes that when nobody watches. A stream that
falls behind gets the newest state, not every one in between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from django.db import DatabaseError, connection

from backgroundtasks import conf
from backgroundtasks.api.errors import Busy

if TYPE_CHECKING:
    from uuid import UUID

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(milliseconds=200)
#: Between looks while the database does not answer.
_RECOVERY: Final = timedelta(seconds=1)
#: How long a watcher without anything to watch keeps its connection.
_IDLE: Final = timedelta(seconds=2)


class Snapshot(Protocol):
    """What a watcher needs to know of a run."""

    @property
    def id(self) -> UUID:
        """The run."""

    @property
    def event(self) -> int:
        """Raised by every visible change."""


S = TypeVar("S", bound=Snapshot)


class Gone(Exception):
    """The run was flushed, or deleted with its account."""


class Watch(Generic[S]):
    """One stream's place at the watcher; close it when the stream ends."""

    def __init__(self, watcher: Watcher[S]) -> None:
        self._watcher = watcher
        self._run_id: UUID | None = None
        self._closed = False

    def follow(self, run_id: UUID) -> None:
        """Watch this run from now on."""
        self._run_id = run_id
        self._watcher.follow(run_id)

    def after(self, event: int, *, within: timedelta) -> S | None:
        """
        Wait until the run is past `event`, and return it as it is then.

        Returns:
            None when nothing changed within the time.

        Raises:
            Gone: there is no such run any more.
        """
        if self._run_id is None:
            raise Gone
        return self._watcher.wait(self._run_id, event, within)

    def close(self) -> None:
        """Give the place back; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._watcher.leave(self._run_id)


class Watcher(Generic[S]):
    """
    Reads watched runs and wakes who waits for them.

    Args:
        read: Returns the runs of these ids that exist.
    """

    def __init__(self, read: Callable[[Iterable[UUID]], list[S]]) -> None:
        self._read = read
        self._changed = threading.Condition()
        self._places = 0
        self._watched: dict[UUID, int] = {}
        #: The newest state of each watched run; None: it is gone.
        self._latest: dict[UUID, S | None] = {}
        self._thread: threading.Thread | None = None

    @property
    def places(self) -> int:
        """How many streams are open."""
        return self._places

    def reserve(self) -> Watch[S]:
        """
        Take a place for a stream.

        Raises:
            Busy: `conf.STREAMS` are taken.
        """
        with self._changed:
            if self._places >= conf.STREAMS:
                raise Busy("Too many streams are open; poll, or come again.", seconds=5)
            self._places += 1
        return Watch(self)

    def follow(self, run_id: UUID) -> None:
        """Look at this run as well."""
        with self._changed:
            self._watched[run_id] = self._watched.get(run_id, 0) + 1
            # After a fork there is the object, but no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._look, name="backgroundtasks-watcher", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def leave(self, run_id: UUID | None) -> None:
        """Give a place back."""
        with self._changed:
            self._places -= 1
            if run_id is None:
                return
            self._watched[run_id] -= 1
            if not self._watched[run_id]:
                del self._watched[run_id]
                self._latest.pop(run_id, None)

    def wait(self, run_id: UUID, event: int, within: timedelta) -> S | None:
        """Return the run once it is past `event`; None when the time is over."""

        def news() -> bool:
            latest = self._latest.get(run_id)
            return latest.event > event if latest is not None else run_id in self._latest

        with self._changed:
            if not self._changed.wait_for(news, within.total_seconds()):
                return None
            latest = self._latest[run_id]
        if latest is None:
            raise Gone
        return latest

    def _look(self) -> None:
        """Look at what is watched until nobody has watched for a while."""
        try:
            while ids := self._next_ids():
                began = time.monotonic()
                pause = INTERVAL
                try:
                    self._publish(ids, self._read(ids))
                except DatabaseError as error:
                    logger.warning("watcher.database_away streams=%d error=%s", len(ids), error)
                    connection.close()
                    pause = _RECOVERY
                time.sleep(max(0.0, pause.total_seconds() - (time.monotonic() - began)))
        finally:
            connection.close()

    def _next_ids(self) -> list[UUID]:
        """Return what is watched; after a while without anything, nothing: then the thread ends."""
        with self._changed:
            if not self._watched:
                self._changed.wait_for(lambda: self._watched, _IDLE.total_seconds())
            if not self._watched:
                self._thread = None
            return list(self._watched)

    def _publish(self, ids: list[UUID], runs: list[S]) -> None:
        found = {run.id: run for run in runs}
        with self._changed:
            news = False
            for run_id in ids:
                if run_id not in self._watched:
                    continue
                run = found.get(run_id)
                before = self._latest.get(run_id)
                if run is None:
                    news |= run_id not in self._latest or before is not None
                    self._latest[run_id] = None
                elif before is None or run.event > before.event:
                    news = True
                    self._latest[run_id] = run
            if news:
                self._changed.notify_all()
