"""Rounds: both sides in turn, so that a noisy machine is noisy for both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

K = TypeVar("K")
T = TypeVar("T")

#: Seconds that the rounds of one measure may take, on a machine that is busy with other things.
BUDGET: Final = 75.0


def interleaved(
    sides: Mapping[K, Callable[[], T]],
    rounds: int,
    *,
    rehearsed: bool = False,
    budget: float = BUDGET,
) -> dict[K, list[T]]:
    """
    Return each side's numbers, by round; every other round begins with the last side.

    Args:
        sides: What measures once.
        rounds: How often each of them does; less often, but once, when it takes too long.
        rehearsed: Let each do it once more before, and forget that: a web process opens a
            connection to the database for each of its threads.
        budget: Seconds; no round begins that would probably end after them.
    """
    found: dict[K, list[T]] = {name: [] for name in sides}
    for measure in sides.values() if rehearsed else ():
        measure()
    began = time.monotonic()
    for turn in range(rounds):
        if turn and (time.monotonic() - began) / turn * (turn + 1) > budget:
            break
        names = [*sides]
        for name in names if turn % 2 == 0 else reversed(names):
            found[name].append(sides[name]())
    return found
