"""Rounds: both sides in turn, so that a noisy machine is noisy for both."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import TypeVar

K = TypeVar("K")


def interleaved(
    sides: Mapping[K, Callable[[], float]], rounds: int
) -> dict[K, list[float]]:
    """Return each side's numbers, by round; every other round begins with the last side."""
    found: dict[K, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        names = [*sides]
        for name in names if turn % 2 == 0 else reversed(names):
            gc.collect()
            found[name].append(sides[name]())
    return found
