"""
Asking trackers while somebody waits for the answer: several at once, and not for long.

A question that is not answered in time is given up by its connection too, a moment later;
nobody waits for it any more. The built-in tracker is asked at once, in the caller's transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Generic, TypeVar

from django.db import connections as databases

from tickets import trackers
from tickets.connections import tracker_of
from tickets.models import ExternalSystemLink

T = TypeVar("T")
Question = Callable[[trackers.Tracker], T]

#: For a person who looks at a page.
PATIENCE: Final = 5.0  # seconds
#: Before a task is accepted: what takes longer is decided in its run.
BEFORE_ACCEPTING: Final = 3.0  # seconds
#: Trackers that are asked at once, in one process.
_THREADS: Final = 16
_LOCAL: Final = "builtin"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a tracker answered, or why it did not."""

    link: ExternalSystemLink
    value: T | None = None
    error: trackers.errors.TrackerError | None = None


def is_here(link: ExternalSystemLink) -> bool:
    """Return whether a link's tracker is our own database: it takes part in transactions."""
    return link.external_system.kind == _LOCAL


def ask(link: ExternalSystemLink, question: Question[T], *, seconds: float = PATIENCE) -> T:
    """
    Return what the tracker of a link answers.

    Raises:
        TrackerSlow: not in time.
        TrackerError: what the tracker, or the way to it, says otherwise.
    """
    [answer] = ask_all([link], question, seconds=seconds)
    if answer.error is not None:
        raise answer.error
    return answer.value  # type: ignore[return-value]


def ask_all(
    links: Sequence[ExternalSystemLink], question: Question[T], *, seconds: float = PATIENCE
) -> list[Answer[T]]:
    """
    Return the answers of the links' trackers, in their order: as long as the slowest takes.

    Args:
        links: With their external systems.
        question: Asked of each tracker; in another thread, so it must not touch the database.
        seconds: After so long nobody waits any more.
    """
    begun = time.monotonic()
    asked: list[Future[T] | Answer[T]] = [_begin(link, question, seconds) for link in links]
    waiting = [one for one in asked if isinstance(one, Future)]
    if waiting:
        wait(waiting, timeout=max(0.0, seconds - (time.monotonic() - begun)))
    return [
        one if isinstance(one, Answer) else _answer(link, one, seconds)
        for link, one in zip(links, asked, strict=True)
    ]


def _begin(
    link: ExternalSystemLink, question: Question[T], seconds: float
) -> Future[T] | Answer[T]:
    try:
        tracker = tracker_of(link, within=timedelta(seconds=seconds))
        if not is_here(link):
            return _pool().submit(_away, question, tracker)
        return Answer(link, question(tracker))
    except trackers.errors.TrackerError as error:
        return Answer(link, error=error)


def _answer(link: ExternalSystemLink, asked: Future[T], seconds: float) -> Answer[T]:
    if not asked.done():
        asked.cancel()  # one that was not begun never will be
        late = trackers.errors.TrackerSlow(
            link.external_system.name, f"it did not answer within {seconds:g} s"
        )
        return Answer(link, error=late)
    try:
        return Answer(link, asked.result())
    except trackers.errors.TrackerError as error:
        return Answer(link, error=error)


def _away(question: Question[T], tracker: trackers.Tracker) -> T:
    try:
        return question(tracker)
    finally:
        # The thread lives on: it must not keep a connection that the state of a circuit took.
        databases.close_all()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="trackers")


def failures(answers: Sequence[Answer[Any]]) -> list[tuple[ExternalSystemLink, str]]:
    """Return which trackers did not answer, and why, for people."""
    return [(one.link, str(one.error)) for one in answers if one.error is not None]
