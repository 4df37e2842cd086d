"""Ask several trackers at once: as long as the slowest takes, and never longer than the limit."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tickets import conf
from tickets.trackers import errors
from tickets.trackers.circuit import Circuit
from tickets.trackers.http_tracker import HttpTracker
from tickets.trackers.kinds import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from tickets.trackers.protocol import Connection, Ticket, Tracker


@dataclass(slots=True)
class Found:
    """What the trackers answered, and who did not."""

    #: Each tracker's tickets in its own order, the trackers in the order they were given.
    tickets: list[tuple[Connection, Ticket]] = field(default_factory=list)
    failures: list[tuple[Connection, errors.TrackerError]] = field(default_factory=list)


def search(
    connections: Sequence[Connection],
    text: str,
    *,
    limit: int = 20,
    within: timedelta | None = None,
) -> Found:
    """
    Return tickets with the words, at most `limit` of each tracker.

    Args:
        connections: Whom to ask.
        text: Words.
        limit: Tickets of one tracker.
        within: How long to wait for the last one; None: `TRACKER_SEARCH_TIMEOUT`.
    """
    wait = conf.TRACKER_SEARCH_TIMEOUT if within is None else within
    questions = [_Question(connection, text, limit, wait) for connection in connections]
    until = time.monotonic() + wait.total_seconds()
    for question in questions:
        question.ask()
    found = Found()
    for question in questions:
        question.settle(until - time.monotonic())
        found.tickets += [(question.connection, ticket) for ticket in question.tickets]
        if question.failure is not None:
            found.failures.append((question.connection, question.failure))
    return found


class _Question:
    """
    One tracker's part.

    The thread that waits for the tracker uses no database: what concerns the circuit is done
    by the caller's, before and after.
    """

    def __init__(self, connection: Connection, text: str, limit: int, within: timedelta) -> None:
        self.connection = connection
        self.tickets: Sequence[Ticket] = ()
        self.failure: errors.TrackerError | None = None
        self._text, self._limit, self._within = text, limit, within
        self._circuit = Circuit(connection)
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Begin; what needs no waiting is done at once."""
        try:
            tracker = connect(self.connection, within=self._within)
            if isinstance(tracker, HttpTracker):
                self._circuit.enter()
                tracker.circuit = _Unasked()
                self._thread = threading.Thread(target=self._run, args=[tracker], daemon=True)
                self._thread.start()
            else:
                self.tickets = tracker.search(self._text, limit=self._limit).items
        except errors.TrackerError as error:
            self.failure = error

    def settle(self, left: float) -> None:
        """Wait for the answer, and tell the circuit."""
        if self._thread is None:
            return
        self._thread.join(max(left, 0))
        if self._thread.is_alive():
            # Its own limit ends it soon; what it still finds is of no use to anybody.
            self.tickets = ()
            self.failure = errors.TrackerSlow(self.connection.name, "it did not answer in time")
        if self.failure is None:
            self._circuit.answered()
        else:
            self._circuit.failed(self.failure)

    def _run(self, tracker: Tracker) -> None:
        try:
            found = tracker.search(self._text, limit=self._limit).items
        except errors.TrackerError as error:
            self.failure = error
        else:
            self.tickets = found


class _Unasked:
    """A circuit that somebody else looks after."""

    def enter(self) -> None:
        pass

    def answered(self) -> None:
        pass

    def failed(self, error: errors.TrackerError) -> None:
        pass
