"""
Runs as they happen: `StreamProgress` (one JSON array) and server-sent events.

A stream shows the run at once, then every change, and ends with the run; the run does not
end with the stream. It holds a thread of the web server and no database connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.http import StreamingHttpResponse

from backgroundtasks.api.enterprise_tester.reading import read_many
from backgroundtasks.api.enterprise_tester.rendering import CONTENT_TYPE, dumps
from backgroundtasks.api.enterprise_tester.vocabulary import Run
from backgroundtasks.api.watcher import Gone, Watch, Watcher

#: A sign of life for proxies and clients while nothing changes.
HEARTBEAT: Final = timedelta(seconds=15)
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"

_watcher: Final[Watcher[Run]] = Watcher(read_many)

Represent = Callable[[Run], dict[str, Any]]


def reserve() -> Watch[Run]:
    """
    Take a place for a stream, before its run is started.

    Raises:
        Busy: `conf.STREAMS` of this process are taken.
    """
    return _watcher.reserve()


def open_streams() -> int:
    """Return how many streams this process serves."""
    return _watcher.places


def json_array(place: Watch[Run], first: Run, represent: Represent) -> StreamingHttpResponse:
    """Return a run as one JSON array: an element now, one for each change, the last one final."""
    place.follow(first.id)
    answer = _streamed(_Elements(place, _array(place, first, represent)), CONTENT_TYPE)
    answer.status_code = 202
    return answer


def events(
    place: Watch[Run], first: Run, represent: Represent, *, seen: int
) -> StreamingHttpResponse:
    """
    Return a run as server-sent events: `progress`, and `end` with its last state.

    Each carries the run's event number as its id. What the client has `seen` (from
    `Last-Event-ID`) is not sent again.
    """
    place.follow(first.id)
    return _streamed(_Elements(place, _events(place, first, represent, seen)), EVENT_STREAM)


def _streamed(elements: _Elements, content_type: str) -> StreamingHttpResponse:
    if not connection.in_atomic_block:
        connection.close()
    return StreamingHttpResponse(
        elements,
        content_type=content_type,
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


class _Elements:
    """Pieces of a stream; closing it gives the place back, also when nothing was read yet."""

    def __init__(self, place: Watch[Run], pieces: Iterator[bytes]) -> None:
        self._place = place
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the stream."""
        self._place.close()


def _array(place: Watch[Run], run: Run, represent: Represent) -> Iterator[bytes]:
    element = dumps(represent(run))
    yield b"[" + element
    try:
        while not run.is_final:
            news = place.after(run.event, within=HEARTBEAT)
            if news is None:
                yield b"\n"  # White space is no element.
                continue
            run, before, element = news, element, dumps(represent(news))
            if element != before:
                yield b",\n" + element
    except Gone:
        pass
    yield b"]\n"


def _events(place: Watch[Run], run: Run, represent: Represent, seen: int) -> Iterator[bytes]:
    yield b"retry: 3000\n\n"
    if run.event > seen:
        yield _event(run, represent)
    try:
        while not run.is_final:
            news = place.after(run.event, within=HEARTBEAT)
            if news is None:
                yield b": still here\n\n"
                continue
            run = news
            yield _event(run, represent)
    except Gone:
        pass


def _event(run: Run, represent: Represent) -> bytes:
    name = b"end" if run.is_final else b"progress"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (run.event, name, dumps(represent(run)))
