"""Rounds: both sides in turn, so that a noisy machine is noisy for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

K = TypeVar("K")


def interleaved(
    sides: Mapping[K, Callable[[], float]], rounds: int, *, rehearsed: bool = False
) -> dict[K, list[float]]:
    """
    Return each side's numbers, by round; every other round begins with the last side.

    Args:
        sides: What measures once.
        rounds: How often each of them does.
        rehearsed: Let each do it once more before, and forget that: a web process opens a
            connection to the database for each of its threads.
    """
    found: dict[K, list[float]] = {name: [] for name in sides}
    for measure in sides.values() if rehearsed else ():
        measure()
    for turn in range(rounds):
        names = [*sides]
        for name in names if turn % 2 == 0 else reversed(names):
            found[name].append(sides[name]())
    return found
