"""
The API over HTTP: granian as `make up` starts it, two processes, eight connections.

The reference views run under the same server with the same settings, so they pass the same
middlewares; "without middleware" is the same view with none at all. One server runs at a time, and
each round has a fresh one: its threads keep a connection to the database each, and three servers
together would use up what PostgreSQL allows by default.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.measures.engine import STOCK as LIBRARY
from bench.rounds import interleaved
from bench.table import Goal, Line
from bench.web import BARE, OURS, STOCK, Web, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.context import Bench
    from bench.load import Request

_STREAMS = 100
_COMPLETE = {"sqlite": 0.8, "postgres": 1.4}
_TASK = {"Type": "Nothing", "Parameters": {}}
_GET = "GET /api/backgroundtask/{id}"
#: Uncounted seconds of a fresh server.
_WARM_UP = 1


def http(bench: Bench) -> Iterator[Line]:
    """Yield the measures of the API."""
    token = bench.ours("bench.ours.token")
    yield from _requests(bench, token)
    bench.ours("bench.ours.delete_runs")
    bench.stock("bench.stock.calls.delete_tasks")
    with serve(bench.installation, OURS, token=token) as ours:
        yield _to_completion(bench, ours)
    yield _streams(bench, token)


def _seconds(bench: Bench) -> float:
    return bench.seconds(2)


def _requests(bench: Bench, token: str) -> Iterator[Line]:
    """GET, 304 and POST; no worker runs."""
    run_id = bench.ours("bench.ours.queued", task_type="Nothing", count=1)[0]

    def ours() -> dict[str, float]:
        with serve(bench.installation, OURS, token=token) as web:
            run = web.request(f"/api/backgroundtask/nothing-{run_id}")
            etag = web.answer(run)[1]["etag"]
            unchanged = web.request(run.path, headers={"If-None-Match": etag})
            found = _read(bench, web, run)
            found["304"] = web.rate(unchanged, seconds=_seconds(bench))
            found["post"] = _post(bench, web, web.post("/api/backgroundtasks", _TASK))
            return found

    def stock() -> dict[str, float]:
        with serve(bench.installation, STOCK) as web:
            found = _read(bench, web, web.request(f"/run/{run_id}"))
            found["post"] = _post(bench, web, web.post("/jobs", _TASK))
            return found

    def bare() -> dict[str, float]:
        with serve(bench.installation, BARE) as web:
            return _read(bench, web, web.request(f"/run/{run_id}"))

    found = interleaved({"ours": ours, "stock": stock, "bare": bare}, bench.rounds)

    def line(
        measure: str,
        what: str,
        other: Sequence[float],
        against: str,
        goal: Goal,
        *,
        unit: str = "/s",
    ) -> Line:
        mine = _each(found["ours"], what)
        return Line(measure, bench.vendor, unit, mine, other, against, [goal])

    same = "bare view, same settings"
    yield line(_GET, "get", _each(found["stock"], "get"), same, Goal(">=", 0.7))
    none = "bare view, without middleware"
    yield line(_GET, "get", _each(found["bare"], "get"), none, Goal(">=", 0.7))
    yield line(f"{_GET}, 304", "304", _each(found["ours"], "get"), "200", Goal(">=", 1))
    yield line(
        "GET, one connection, p99 by p50",
        "tail",
        _each(found["stock"], "tail"),
        same,
        Goal("<=", 3, "ours"),
        unit="times",
    )
    yield line(
        "POST /api/backgroundtasks",
        "post",
        _each(found["stock"], "post"),
        "DRF view, a row, async_task",
        Goal(">=", 1),
    )


def _each(rounds: Sequence[dict[str, float]], what: str) -> list[float]:
    return [found[what] for found in rounds]


def _read(bench: Bench, web: Web, request: Request) -> dict[str, float]:
    """Return the requests a second, and p99 by p50 of one connection."""
    seconds = _seconds(bench)
    web.rate(request, seconds=bench.seconds(_WARM_UP))
    rate = web.rate(request, seconds=seconds)
    alone = web.load(request, seconds=seconds, connections=1)
    return {"get": rate, "tail": alone.p99 / alone.p50}


def _post(bench: Bench, web: Web, request: Request) -> float:
    return web.rate(request, seconds=_seconds(bench))


def _to_completion(bench: Bench, ours: Web) -> Line:
    seconds = _seconds(bench)
    count = bench.some(2_000, 200)
    post = ours.post("/api/backgroundtasks", _TASK)
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
    """The API with event streams open beside it, and without."""
    streams = bench.some(_STREAMS, 10)
    runs = bench.ours("bench.ours.queued", task_type="Nothing", count=streams)
    paths = [f"/api/backgroundtask/nothing-{run}" for run in runs]

    def rate(streams: list[str]) -> float:
        with serve(bench.installation, OURS, token=token) as web, web.streams(streams):
            web.rate(web.request(paths[0]), seconds=bench.seconds(_WARM_UP))
            return web.rate(web.request(paths[0]), seconds=_seconds(bench))

    found = interleaved(
        {"ours": lambda: rate([f"{path}/events" for path in paths]), "without": lambda: rate([])},
        bench.rounds,
    )
    return Line(
        f"GET beside {streams} event streams",
        bench.vendor,
        "/s",
        found["ours"],
        found["without"],
        "without streams",
        [Goal(">=", 0.9)],
    )
