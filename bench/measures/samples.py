"""`GenerateTestProject`: rows, what search knows of them, and the steps to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.rounds import interleaved
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench


def samples(bench: Bench) -> Iterator[Line]:
    """Yield entities a second, by a worker, from the start of the run to its end."""
    parameters = {
        "Packages": 20,
        "AutomatedTests": bench.some(200, 10),
        "RunsPerTest": 10,
        "ResultsPerRun": 50,
        "Scripts": bench.some(1_000, 20),
        "AgileRuns": bench.some(500, 10),
        "Incidents": bench.some(200, 5),
    }
    made: list[int] = []
    with bench.our_workers():

        def ours() -> float:
            made.append(len(made))
            done = bench.ours(
                "bench.ours.result_of",
                task_type="GenerateTestProject",
                parameters={**parameters, "Name": f"Sample {len(made)}"},
            )
            return float(done["values"]["Entities"] / done["seconds"])

        found = interleaved({"ours": ours}, bench.rounds)
    yield Line(
        "GenerateTestProject",
        bench.vendor,
        "/s",
        found["ours"],
        goals=[Goal(">=", 20_000, "ours")] if bench.vendor == "sqlite" else [],
    )
