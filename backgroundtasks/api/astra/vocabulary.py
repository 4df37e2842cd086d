"""Astra's words and units for our states, types, times and progress."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.handlers import registry
from backgroundtasks.states import ARROWS, GOOD, State

if TYPE_CHECKING:
    from backgroundtasks.handlers import TaskHandler

TYPE: Final = "application/astra-task"
LIST_TYPE: Final = "application/astra-tasks"
VERSION: Final = "1.1"

STATES: Final[Mapping[State, str]] = {
    State.SCHEDULED: "notStarted",
    State.QUEUED: "notStarted",
    State.RUNNING: "running",
    State.WAITING: "running",
    State.PAUSING: "pausing",
    State.PAUSED: "paused",
    State.CANCELLING: "cancelling",
    State.SUCCEEDED: "completed",
    State.WARNED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.SKIPPED: "cancelled",
    State.LOST: "failed",
}
CANCELLED: Final = STATES[State.CANCELLED]
#: In the order in which lists of them are written.
WORDS: Final = tuple(dict.fromkeys(STATES.values()))


def _transitions() -> list[dict[str, Any]]:
    """Return our machine in Astra's words, without moves from a word to itself."""
    moves = {
        word: [
            to
            for to in WORDS
            if to != word
            and any(
                STATES[head] == to
                for foot in State
                if STATES[foot] == word
                for head in ARROWS[foot]
            )
        ]
        for word in WORDS
    }
    return [{"from": word, "to": to} for word, to in moves.items() if to]


#: The same for every task: what can be, not what is possible now.
TRANSITIONS: Final = _transitions()

#: Longest texts of the members.
NAME: Final = 127
SUMMARY: Final = 63
DESCRIPTION: Final = 511
SERVICE: Final = 31
#: Shortest ones of name and summary.
SHORTEST: Final = 3
URI: Final = 4095


@dataclass(frozen=True, slots=True)
class TypeWords:
    """What is said of all tasks of a type."""

    name: str
    summary: str
    description: str


def moment(at: datetime) -> str:
    """Return a time as `2026-03-04T08:15:31.990123Z`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def type_words(task_type: str) -> TypeWords:
    """Return the words of a task type; one whose handler is gone keeps its name."""
    handler: Any = registry.find(task_type)
    return _type_words(task_type, handler)


@lru_cache(maxsize=1000)
def _type_words(task_type: str, handler: type[TaskHandler] | None) -> TypeWords:
    words = _words(task_type)
    title = handler.title().strip() if handler else ""
    return TypeWords(
        name=".".join(words)[:NAME].rstrip("."),
        summary=" ".join(words).capitalize()[:SUMMARY],
        description=(title or f"A task of the type {task_type}")[:DESCRIPTION],
    )


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]")
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _words(task_type: str) -> list[str]:
    """
    Return the words of a type in lower-case letters: `S3Copy` is s, three, copy.

    Digits are spelled, so that `Copy1` and `Copy2` keep names of their own.
    """
    plain = unicodedata.normalize("NFKD", task_type)
    found = [
        _DIGITS[int(word)] if word.isdigit() else word.lower() for word in _WORD.findall(plain)
    ]
    if len(".".join(found)) < SHORTEST:
        return ["task", *found]
    return found


def summary(title: str, words: TypeWords) -> str:
    """Return a task's title, cut; that of its type for one that is too short."""
    # Blanks only: `fields.SUMMARY` says the same in SQL.
    return title[:SUMMARY] if len(title.strip(" ")) >= SHORTEST else words.summary


def percent_done(state: str, processed: int, total: int) -> float | None:
    """
    Return the percentage with two decimals; None while nothing has been counted.

    It is cut, not rounded: only what is done is 100.
    """
    if state in GOOD:
        return 100.0
    if total <= 0:
        return None
    return math.floor(processed * 10_000 / total) / 100
