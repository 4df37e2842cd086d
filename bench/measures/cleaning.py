"""`CleanGPJobs`: how fast a million finished runs go while others are submitted."""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING, Any, Final

from bench.installation import OURS
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

#: A million in five minutes.
_GOAL: Final = 1_000_000 / 300
#: Seconds between two submissions.
_PAUSE: Final = 0.02


def cleaning(bench: Bench) -> Iterator[Line]:
    """Yield the rate, the longest transactions, and what submissions take meanwhile."""
    runs = bench.some(1_000_000, 3_000)
    bench.ours("bench.upkeep.fill_expired", runs=runs)
    flag = bench.installation.folder / "cleaned"
    quiet: list[float] = bench.ours("bench.ours.submit", task_type="Nothing", count=200)
    meanwhile: list[float] = []
    with bench.installation.side(OURS) as submitter:
        submitter("bench.ours.may_write")  # it is there before the cleaning begins

        def submit() -> None:
            meanwhile.extend(submitter("bench.upkeep.submit_until", flag=str(flag), pause=_PAUSE))

        submitting = threading.Thread(target=submit)
        submitting.start()
        try:
            found: dict[str, Any] = bench.ours("bench.upkeep.clean")
        finally:
            flag.touch()
            submitting.join()
    title = f"CleanGPJobs, {found['runs']:,} runs"
    yield Line(
        title,
        bench.vendor,
        "/s",
        [found["runs"] / found["seconds"]],
        goals=[Goal(">=", _GOAL, "ours")],
    )
    yield Line(
        "its transactions, p99",
        bench.vendor,
        "ms",
        [found["p99"]],
        goals=[Goal("<=", 100, "ours")] if bench.vendor == "sqlite" else [],
    )
    yield Line(
        "one submission meanwhile, p99",
        bench.vendor,
        "ms",
        [_p99(meanwhile)],
        [_p99([seconds * 1000 for seconds in quiet])],
        "while nothing else is done",
    )


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
