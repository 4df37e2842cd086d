"""A JUnit report into the database, by a worker; and the memory that a very large one takes."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET  # our own report
from typing import TYPE_CHECKING

from bench.installation import OURS
from bench.rounds import interleaved
from bench.table import Goal, Line
from tests.support.reports import report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.context import Bench

_SUITE = 1_000
_GIGABYTE = 1_000_000_000


def imports(bench: Bench) -> Iterator[Line]:
    """Yield test cases a second, and the peak of memory."""
    cases = bench.some(100_000, 5_000)
    path = _written(bench.installation.folder / "report.xml", cases)
    with bench.our_workers():

        def ours() -> float:
            parameters = bench.ours("bench.ours.uploaded", path=str(path))
            done = bench.ours(
                "bench.ours.result_of", task_type="AutomatedTestImport", parameters=parameters
            )
            return cases / float(done["seconds"])

        def parsed() -> float:
            began = time.perf_counter()
            for _, element in ET.iterparse(path):
                element.clear()
            return cases / (time.perf_counter() - began)

        found = interleaved({"ours": ours, "parsed": parsed}, bench.rounds)
    yield Line(
        "AutomatedTestImport",
        bench.vendor,
        "/s",
        found["ours"],
        found["parsed"],
        "ElementTree.iterparse, nothing stored",
        [Goal(">=", 20_000, "ours")] if bench.vendor == "sqlite" else [],
    )
    if bench.vendor == "sqlite" and not bench.quick:
        yield _memory(bench)


def _memory(bench: Bench) -> Line:
    suites = 100
    path = _written(
        bench.installation.folder / "large.xml", suites * _SUITE, output=_GIGABYTE // suites
    )
    # A process of its own: the peak is a process' highest, ever.
    with bench.installation.side(OURS) as side:
        idle = side("bench.ours.peak_memory")
        parameters = side("bench.ours.uploaded", path=str(path))
        path.unlink()
        peak = side("bench.ours.peak_of_import", parameters=parameters)
    return Line(
        "import of a report of 1 GB, peak memory",
        bench.vendor,
        "MB",
        [peak],
        [idle],
        "the process before it",
        [Goal("<=", 200, "ours")],
    )


def _written(path: Path, cases: int, output: int = 0) -> Path:
    with path.open("wb") as file:
        file.writelines(report(cases, cases_per_suite=_SUITE, output=output))
    return path
