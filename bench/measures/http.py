"""
The API over HTTP: granian as `make up` starts it, two processes, eight connections.

The reference views run under the same server with the same settings, so they pass the same
middlewares; "without middleware" is the same view with none at all.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.measures.engine import STOCK as LIBRARY
from bench.rounds import interleaved
from bench.table import Goal, Line
from bench.web import BARE, OURS, STOCK, Web, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

_STREAMS = 100
_COMPLETE = {"sqlite": 0.8, "postgres": 1.4}


def http(bench: Bench) -> Iterator[Line]:
    """Yield the measures of the API."""
    token = bench.ours("bench.ours.token")
    with ExitStack() as stack:
        ours = stack.enter_context(serve(bench.installation, OURS, token=token))
        stock = stack.enter_context(serve(bench.installation, STOCK))
        bare = stack.enter_context(serve(bench.installation, BARE))
        run_id = bench.ours("bench.ours.queued", task_type="Nothing", count=1)[0]
        yield from _reads(bench, ours, stock, bare, run_id)
        yield _tail(bench, ours, stock, run_id)
        yield from _starts(bench, ours, stock)
    bench.ours("bench.ours.delete_runs")
    bench.stock("bench.stock.calls.delete_tasks")
    with serve(bench.installation, OURS, token=token) as ours:
        yield _to_completion(bench, ours)
    yield _streams(bench, token)


def _seconds(bench: Bench) -> int:
    return bench.some(3, 1)


def _reads(bench: Bench, ours: Web, stock: Web, bare: Web, run_id: str) -> Iterator[Line]:
    seconds = _seconds(bench)
    run = ours.request(f"/api/backgroundtask/nothing-{run_id}")
    etag = ours.answer(run)[1]["etag"]
    unchanged = ours.request(run.path, headers={"If-None-Match": etag})
    row = stock.request(f"/run/{run_id}")
    found = interleaved(
        {
            "ours": lambda: ours.rate(run, seconds=seconds),
            "stock": lambda: stock.rate(row, seconds=seconds),
            "304": lambda: ours.rate(unchanged, seconds=seconds),
            "bare": lambda: bare.rate(row, seconds=seconds),
        },
        bench.rounds,
        rehearsed=not bench.quick,
    )
    get = "GET /api/backgroundtask/{id}"
    yield Line(
        get,
        bench.vendor,
        "/s",
        found["ours"],
        found["stock"],
        "bare view, same settings",
        [Goal(">=", 0.7)],
    )
    yield Line(
        get,
        bench.vendor,
        "/s",
        found["ours"],
        found["bare"],
        "bare view, without middleware",
        [Goal(">=", 0.7)],
    )
    yield Line(
        f"{get}, 304", bench.vendor, "/s", found["304"], found["ours"], "200", [Goal(">=", 1)]
    )


def _tail(bench: Bench, ours: Web, stock: Web, run_id: str) -> Line:
    """p99 by p50 at one connection."""
    seconds = _seconds(bench)

    def tail(web: Web, path: str) -> float:
        measured = web.load(web.request(path), seconds=seconds, connections=1)
        return measured.p99 / measured.p50

    found = interleaved(
        {
            "ours": lambda: tail(ours, f"/api/backgroundtask/nothing-{run_id}"),
            "stock": lambda: tail(stock, f"/run/{run_id}"),
        },
        bench.rounds,
        rehearsed=not bench.quick,
    )
    return Line(
        "GET, one connection, p99 by p50",
        bench.vendor,
        "times",
        found["ours"],
        found["stock"],
        "bare view, same settings",
        [Goal("<=", 3, "ours")],
    )


def _starts(bench: Bench, ours: Web, stock: Web) -> Iterator[Line]:
    """POST while no worker runs."""
    seconds = _seconds(bench)
    body = {"Type": "Nothing", "Parameters": {}}
    found = interleaved(
        {
            "ours": lambda: ours.rate(ours.post("/api/backgroundtasks", body), seconds=seconds),
            "stock": lambda: stock.rate(stock.post("/jobs", body), seconds=seconds),
        },
        bench.rounds,
        rehearsed=not bench.quick,
    )
    yield Line(
        "POST /api/backgroundtasks",
        bench.vendor,
        "/s",
        found["ours"],
        found["stock"],
        "DRF view, a row, async_task",
        [Goal(">=", 1)],
    )


def _to_completion(bench: Bench, ours: Web) -> Line:
    seconds = _seconds(bench)
    count = bench.some(2_000, 200)
    post = ours.post("/api/backgroundtasks", {"Type": "Nothing", "Parameters": {}})
    with bench.our_workers(), bench.stock_workers():

        def over_http() -> float:
            began = time.monotonic()
            measured = ours.load(post, seconds=seconds)
            return measured.requests / (bench.ours("bench.ours.wait") - began)

        def through_python() -> float:
            return count / float(bench.stock("bench.stock.calls.submit_until_done", count=count))

        found = interleaved({"ours": over_http, "stock": through_python}, bench.rounds)
    return Line(
        "POST to complete",
        bench.vendor,
        "/s",
        found["ours"],
        found["stock"],
        f"{LIBRARY}, Python API",
        [Goal(">=", _COMPLETE[bench.vendor])],
    )


def _streams(bench: Bench, token: str) -> Line:
    """The API with event streams open beside it; the one without is frozen meanwhile."""
    seconds = _seconds(bench)
    runs = bench.ours("bench.ours.queued", task_type="Nothing", count=_STREAMS)
    paths = [f"/api/backgroundtask/nothing-{run}" for run in runs]
    with (
        serve(bench.installation, OURS, token=token) as busy,
        serve(bench.installation, OURS, token=token) as calm,
        busy.streams([f"{path}/events" for path in paths]),
    ):

        def rate(web: Web, other: Web) -> float:
            with other.service.frozen():
                return web.rate(web.request(paths[0]), seconds=seconds)

        found = interleaved(
            {"ours": lambda: rate(busy, calm), "without": lambda: rate(calm, busy)},
            bench.rounds,
            rehearsed=not bench.quick,
        )
    return Line(
        f"GET beside {_STREAMS} event streams",
        bench.vendor,
        "/s",
        found["ours"],
        found["without"],
        "without streams",
        [Goal(">=", 0.9)],
    )
