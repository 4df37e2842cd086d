"""Ten thousand schedules: what they cost while none is due, and when all are due at once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench
    from bench.processes import Service

_TICKS = os.sysconf("SC_CLK_TCK")


def schedules(bench: Bench) -> Iterator[Line]:
    """Yield the share of a core, and how late the last one is."""
    count = bench.some(10_000, 300)
    seconds = bench.some(20, 3)
    with bench.our_workers() as service:
        without = _share(service, seconds)
    bench.ours("bench.upkeep.make_schedules", count=count)
    with bench.our_workers() as service:
        share = _share(service, seconds)
        yield Line(
            f"worker command, {count:,} schedules, none due",
            bench.vendor,
            "% of a core",
            [share],
            [without],
            "without schedules",
            [Goal("<=", 5, "ours")],
        )
        many = [float(bench.ours("bench.ours.submit_many", task_type="Nothing", count=count))]
        began = time.monotonic()
        drained = bench.ours("bench.ours.wait") - began
        found: dict[str, Any] = bench.ours("bench.upkeep.all_due")
        for name, title in (("fired", "has its run"), ("done", "is done")):
            yield Line(
                f"all {count:,} due at once, until the last {title}",
                bench.vendor,
                "s",
                [found[name]],
                many if name == "fired" else [many[0] + drained],
                "submit_many" if name == "fired" else "submit_many and drain",
            )


def _share(service: Service, seconds: float) -> float:
    """Return how much of a core a command and all below it takes, in percent."""
    before = _ticks(service)
    time.sleep(seconds)
    return (_ticks(service) - before) / _TICKS / seconds * 100


def _ticks(service: Service) -> int:
    """Return the processor time of a command and all below it, in the kernel's ticks."""
    total = 0
    for pid in service.pids:
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - as short as it is
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total
