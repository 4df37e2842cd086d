"""Backup and restore beside the raw stages that they are made of: copy, zstd, AES-GCM."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench.installation import OURS, STOCK, installed
from bench.rounds import interleaved
from bench.table import Goal, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.context import Bench

_MEGABYTE = 1_000_000
_GOAL = 0.9
#: Seconds that the rounds may take: a gigabyte is moved a dozen times in each.
_BUDGET = 180.0


def backups(bench: Bench) -> Iterator[Line]:
    """Yield megabytes of database a second, ours beside the slowest raw stage, and what it takes."""
    with ExitStack() as stack:
        # A database of its own: a restore wants nobody else to be connected.
        installation = stack.enter_context(installed(bench.vendor))
        with installation.side(OURS) as ours:
            size = ours("bench.upkeep.fill_for_backup", runs=bench.some(280_000, 2_000))
        # Both sides' tables are in it: only these settings know all their migrations.
        ours = stack.enter_context(installation.side(STOCK))
        size /= _MEGABYTE
        idle = ours("bench.ours.peak_memory")
        found: dict[str, list[Any]] = interleaved(
            {
                "made": lambda: ours("bench.upkeep.back_up"),
                "alone": lambda: ours("bench.upkeep.back_up", threads=1),
                "raw": lambda: ours("bench.upkeep.raw_stages"),
            },
            bench.rounds,
            budget=_BUDGET,
        )
        raw, made = found["raw"], found["made"]
        with installation.side(STOCK) as fresh:
            peak = fresh("bench.upkeep.peak_of_backup")
        name = made[-1]["name"]
        put = interleaved({"put": lambda: float(ours("bench.upkeep.put_back", name=name))}, 1)[
            "put"
        ]
    slowest = [max(stage["copy"], stage["zstd"], stage["aes"]) for stage in raw]
    title = f"backup of {size:,.0f} MB (zstd makes 1/{raw[0]['ratio']:.1f} of it)"
    yield Line(
        f"{title}, until it is read back",
        bench.vendor,
        "MB/s",
        [size / one["all"] for one in made],
        [size / seconds for seconds in slowest],
        f"slowest of {_stages(raw[0], 'copy', 'zstd', 'aes')}",
        [Goal(">=", _GOAL)],
    )
    alone = [max(stage["copy"], stage["zstd_alone"], stage["aes"]) for stage in raw]
    yield Line(
        "with one thread that compresses",
        bench.vendor,
        "MB/s",
        [size / one["all"] for one in found["alone"]],
        [size / seconds for seconds in alone],
        f"slowest of {_stages(raw[0], 'copy', 'zstd_alone', 'aes')}",
        [Goal(">=", _GOAL)],
    )
    yield Line(
        "until it is written",
        bench.vendor,
        "MB/s",
        [size / one["written"] for one in made],
        [size / seconds for seconds in slowest],
        "likewise",
    )
    yield Line(
        "its processor time" + (" but the server's" if bench.vendor == "postgres" else ""),
        bench.vendor,
        "s",
        [one["cpu"] for one in made],
        [stage["zstd_cpu"] for stage in raw],
        "that of zstd",
    )
    yield Line(
        "its memory, peak",
        bench.vendor,
        "MB",
        [peak],
        [idle],
        "the process before it",
        [Goal("<=", 200, "ours")],
    )
    back = [max(stage["put"], stage["unzstd"], stage["aes"]) for stage in raw]
    yield Line(
        "restore, with what is set aside",
        bench.vendor,
        "MB/s",
        [size / seconds for seconds in put],
        [size / seconds for seconds in back[:1]],
        f"slowest of {_stages(raw[0], 'put', 'unzstd', 'aes')}",
    )


def _stages(stage: dict[str, float], *names: str) -> str:
    return ", ".join(f"{name} {stage[name]:.2g} s" for name in names)
