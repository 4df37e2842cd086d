"""The list of tasks: a page of a million runs beside the first page of a thousand."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from bench.installation import OURS, Installation, installed
from bench.rounds import interleaved
from bench.table import Goal, Line
from bench.web import Web, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

_FEW = 1_000
_PATH = "/api/backgroundtasks"


def pages(bench: Bench) -> Iterator[Line]:
    """Yield the milliseconds of the first page and of page 1,000."""
    many = bench.some(1_000_000, 3_000)
    seconds = bench.seconds(2)
    with ExitStack() as stack:
        small_installation = stack.enter_context(installed(bench.vendor))
        small, _ = stack.enter_context(_filled(small_installation, _FEW))
        large, behind = stack.enter_context(_filled(bench.installation, many))

        def page(web: Web, path: str) -> float:
            return web.load(web.request(path), seconds=seconds, connections=1).p50

        found = interleaved(
            {
                "small": partial(page, small, _PATH),
                "first": partial(page, large, _PATH),
                "far": partial(page, large, f"{_PATH}?$skiptoken={behind}"),
            },
            bench.rounds,
            rehearsed=not bench.quick,
        )
    for name, title in (("first", "first page"), ("far", "page 1,000")):
        yield Line(
            f"{title} of {many:,} runs",
            bench.vendor,
            "ms",
            found[name],
            found["small"],
            f"first page of {_FEW:,} runs",
            [Goal("<=", 2)],
        )


@contextmanager
def _filled(installation: Installation, runs: int) -> Iterator[tuple[Web, str]]:
    """Yield a web server over so many runs, and the place behind its page 999."""
    with installation.side(OURS) as side:
        behind = side("bench.ours.fill", runs=runs)
        token = side("bench.ours.token")
    with serve(installation, OURS, token=token, processes=1) as web:
        yield web, behind
