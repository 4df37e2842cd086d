"""`context.progress()` in a loop, inside a run with everything that goes on beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench


def progress(bench: Bench) -> Iterator[Line]:
    """Yield calls a second; the floor is a method that only keeps what it is given."""
    calls = bench.some(3_000_000, 300_000)
    ours, floor = [], []
    with bench.our_workers():
        for turn in range(bench.rounds):
            done = bench.ours(
                "bench.ours.result_of",
                task_type="ReportProgress",
                parameters={"Calls": calls, "FloorFirst": turn % 2 == 1},
            )
            ours.append(done["values"]["Ours"])
            floor.append(done["values"]["Floor"])
    yield Line(
        "context.progress()",
        bench.vendor,
        "/s",
        ours,
        floor,
        "a method that keeps its arguments",
        [Goal(">=", 2_000_000, "ours")],
    )
