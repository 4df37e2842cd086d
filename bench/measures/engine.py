"""
The engine beside stock django-q2: submission, drain, pick-up, end to end.

A drain begins with all workers frozen by SIGSTOP, so that it starts warm on both sides, and
ends when everything is done and stored.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from bench.processes import BenchFailed, Service
from bench.rounds import interleaved
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.context import Bench

STOCK = "stock django-q2"
_PICK_UP = {"sqlite": 6, "postgres": 5}
_SUBMISSION = {"sqlite": 0.2, "postgres": 1.0}
_MANY = {"sqlite": 30_000, "postgres": 20_000}


def engine(bench: Bench) -> Iterator[Line]:
    """Yield the engine's measures."""
    yield from _submissions(bench)
    with bench.our_workers() as ours, bench.stock_workers() as stock:
        yield from _drains(bench, ours, stock)
        yield _pick_up(bench)
        yield _end_to_end(bench)


def _submissions(bench: Bench) -> Iterator[Line]:
    """Submit while no worker runs."""
    count = bench.some(2_000, 300)
    many = bench.some(20_000, 2_000)

    def ours() -> float:
        took = bench.ours("bench.ours.submit", task_type="Nothing", count=count)
        bench.ours("bench.ours.delete_runs")
        return statistics.median(took) * 1000

    def stock() -> float:
        took = bench.stock("bench.stock.calls.submit", count=count)
        bench.stock("bench.stock.calls.delete_tasks")
        return statistics.median(took) * 1000

    def ours_at_once() -> float:
        seconds = bench.ours("bench.ours.submit_many", task_type="Nothing", count=many)
        bench.ours("bench.ours.delete_runs")
        return many / float(seconds)

    def stock_in_turn() -> float:
        took = bench.stock("bench.stock.calls.submit", count=count)
        bench.stock("bench.stock.calls.delete_tasks")
        return count / float(sum(took))

    found = interleaved({"ours": ours, "stock": stock}, bench.rounds)
    yield Line(
        "one submission, p50",
        bench.vendor,
        "ms",
        found["ours"],
        found["stock"],
        "stock async_task",
        [Goal("<=", _SUBMISSION[bench.vendor], "ours")],
    )
    found = interleaved({"ours": ours_at_once, "stock": stock_in_turn}, bench.rounds)
    yield Line(
        "submit_many",
        bench.vendor,
        "/s",
        found["ours"],
        found["stock"],
        "stock async_task in turn",
        [Goal(">=", _MANY[bench.vendor], "ours")],
    )


def _drains(bench: Bench, ours: Service, stock: Service) -> Iterator[Line]:
    count = bench.some(5_000, 500)

    def stock_drain() -> float:
        fill = partial(bench.stock, "bench.stock.calls.submit", count=count)
        return drained(bench, stock, fill, partial(bench.stock, "bench.stock.calls.wait"), count)

    def our_drain(task_type: str) -> float:
        fill = partial(bench.ours, "bench.ours.submit_many", task_type=task_type, count=count)
        return drained(bench, ours, fill, partial(bench.ours, "bench.ours.wait"), count)

    found = interleaved(
        {
            "short": partial(our_drain, "Nothing"),
            "stock": stock_drain,
            "single": partial(our_drain, "SingleNothing"),
        },
        bench.rounds,
    )
    for name, title, bound in (
        ("short", "drain, short handlers", 10),
        ("single", "drain, one at a time", 3),
    ):
        yield Line(
            title, bench.vendor, "/s", found[name], found["stock"], STOCK, [Goal(">=", bound)]
        )


def drained(
    bench: Bench,
    service: Service,
    fill: Callable[[], object],
    wait: Callable[[], float],
    count: int,
) -> float:
    """Return how many a second are done of what was queued while the workers were frozen."""
    pids = _freeze(bench, service)
    try:
        fill()
        began = time.monotonic()
    finally:
        service.thaw(pids)
    return count / (float(wait()) - began)


def _freeze(bench: Bench, service: Service) -> list[int]:
    """Freeze the workers at a moment at which none of them holds SQLite's write lock."""
    pids = service.pids
    for _ in range(100):
        service.freeze(pids)
        if bench.ours("bench.ours.may_write"):
            return pids
        service.thaw(pids)
        time.sleep(0.01)
    raise BenchFailed("The workers hold the write lock all the time.")


def _pick_up(bench: Bench) -> Line:
    count = bench.some(40, 10)
    socket = str(bench.installation.folder / "moments")
    found = interleaved(
        {
            "ours": lambda: statistics.median(
                bench.ours("bench.ours.pick_up", count=count, socket=socket)
            ),
            "stock": lambda: statistics.median(
                bench.stock("bench.stock.calls.pick_up", count=count // 2, socket=socket)
            ),
        },
        bench.rounds,
    )
    return Line(
        "pick-up when idle, p50",
        bench.vendor,
        "ms",
        found["ours"],
        found["stock"],
        STOCK,
        [Goal("<=", _PICK_UP[bench.vendor], "ours")],
    )


def _end_to_end(bench: Bench) -> Line:
    count = bench.some(3_000, 300)
    found = interleaved(
        {
            "ours": lambda: (
                count / bench.ours("bench.ours.submit_until_done", task_type="Nothing", count=count)
            ),
            "stock": lambda: (
                count / bench.stock("bench.stock.calls.submit_until_done", count=count)
            ),
        },
        bench.rounds,
    )
    return Line(
        "end to end, one submitter", bench.vendor, "/s", found["ours"], found["stock"], STOCK
    )
