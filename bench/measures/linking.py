"""Linking failed steps with tickets of the built-in tracker, beside runs that do nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.measures.engine import drained
from bench.rounds import interleaved
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench


def linking(bench: Bench) -> Iterator[Line]:
    """Yield how many links a second are made of what was queued while the workers were frozen."""
    count = bench.some(10_000, 300)
    wait = partial(bench.ours, "bench.ours.wait", limit=900)
    with bench.our_workers() as workers:
        # Warm on both sides: each worker puts its statements together once.
        bench.ours("bench.ours.submit_links", count=bench.some(400, 200))
        wait()

        def links() -> float:
            fill = partial(bench.ours, "bench.ours.submit_links", count=count)
            return drained(bench, workers, fill, wait, count)

        def nothing() -> float:
            fill = partial(
                bench.ours, "bench.ours.submit_many", task_type="SingleNothing", count=count
            )
            return drained(bench, workers, fill, wait, count)

        found = interleaved({"links": links, "nothing": nothing}, bench.rounds)
    yield Line(
        "linking tickets",
        bench.vendor,
        "/s",
        found["links"],
        found["nothing"],
        "runs that do nothing, one at a time",
        [Goal(">=", 0.5)],
    )
