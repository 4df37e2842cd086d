"""
Other vendors' dialects: a page of SailPoint's statuses and one of Astra's tasks.

The reference is a bare view under the same server with the same settings: it reads the same rows
through the ORM, and answers the same bytes, which it is given ready-made.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.processes import BenchFailed
from bench.rounds import interleaved
from bench.table import Goal, Line
from bench.web import OURS, STOCK, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

_STATUSES = 250
_GOAL = Goal(">=", 0.7)
#: Uncounted seconds of a fresh server.
_WARM_UP = 1


def dialects(bench: Bench) -> Iterator[Line]:
    """Yield the requests a second of both."""
    token = bench.ours("bench.ours.token")
    filled = bench.ours("bench.ours.statuses", count=2 * _STATUSES)
    task = f"/accounts/{filled['account']}/core/v1/tasks/{filled['run']}"
    for measure, ours, stock in (
        (f"SailPoint, {_STATUSES} statuses", "/task-status/v1", f"/statuses/{_STATUSES}"),
        ("Astra, one task", task, f"/task/{filled['run']}"),
    ):
        yield _side_by_side(bench, token, measure, ours, stock)


def _side_by_side(bench: Bench, token: str, measure: str, ours: str, stock: str) -> Line:
    body = bench.installation.folder / "answer"

    def rate(settings: str, path: str) -> float:
        with serve(bench.installation, settings, token=token) as web:
            request = web.request(path)
            said = web.answer(request)[2]
            if settings == OURS:  # the first one to be asked
                body.write_bytes(said)
            elif said != body.read_bytes():
                raise BenchFailed(f"{measure}: the two answers differ")
            web.rate(request, seconds=bench.seconds(_WARM_UP))
            return web.rate(request, seconds=bench.seconds(4))

    found = interleaved(
        {"ours": partial(rate, OURS, ours), "stock": partial(rate, STOCK, stock)}, bench.rounds
    )
    return Line(
        measure,
        bench.vendor,
        "/s",
        found["ours"],
        found["stock"],
        "bare view, same rows and bytes",
        [_GOAL],
    )
