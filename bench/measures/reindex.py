"""`Reindex` beside the same statements from a bare driver; see `bench.reindex`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.reindex import GOAL
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench


def reindex(bench: Bench) -> Iterator[Line]:
    """Yield what is left of the database's own speed."""
    ratio = bench.ours(
        "bench.reindex.measure", entities=bench.some(50_000, 2_000), rounds=bench.rounds
    )
    yield Line(
        "Reindex",
        bench.vendor,
        "",
        (),
        against="same statements, bare driver",
        goals=[Goal(">=", GOAL)],
        ratios=[ratio],
    )
