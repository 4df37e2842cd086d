"""
`python -m bench [NAME …] [--database sqlite|postgres|both] [--rounds N] [--quick]`.

Ours and the reference take turns on the same database, so ratios hold on a noisy machine;
the absolute numbers are this machine's, in this minute.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from bench.context import Benches
from bench.installation import postgres_answers
from bench.measures import ALONE, MEASURES
from bench.processes import BenchFailed
from bench.table import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.table import Line


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the measures, print the table; return 1 when one of them could not be taken, 130 when stopped."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if unknown := [name for name in wanted.names if name not in MEASURES]:
        parser.error(f"no measure {unknown[0]}: {', '.join(MEASURES)}")
    # As Ctrl-C: what runs is stopped, and what was made is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rounds = wanted.rounds or (1 if wanted.quick else 3)
    lines: list[Line] = []
    failed = 0
    began = time.monotonic()
    _say(f"{os.cpu_count()} cores, {_busy()}")
    benches = Benches(rounds=rounds, quick=wanted.quick)
    try:
        for name in wanted.names or MEASURES:
            for vendor in _databases(wanted.database):
                _say(f"{time.monotonic() - began:4.0f} s  {name} on {vendor} …")
                try:
                    with benches.on(vendor, alone=name in ALONE) as bench:
                        for line in MEASURES[name](bench):
                            lines.append(line)
                            _say("        " + "  ".join(filter(None, line.cells())))
                except BenchFailed as reason:
                    failed = 1
                    _say(f"{name} on {vendor} failed: {reason}")
    except KeyboardInterrupt:
        failed = 130
    finally:
        benches.close()
    print(drawn(lines))
    missed = [line for line in lines if line.met is False]
    print(
        f"\n{len(lines)} measures in {time.monotonic() - began:.0f} s, "
        f"{len([line for line in lines if line.met])} goals met, {len(missed)} missed; {_busy()}."
    )
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--rounds", type=int, help="of each side; 3, with --quick 1")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small numbers, one round, one installation for all measures",
    )
    return parser


def _databases(wanted: str) -> list[str]:
    if wanted != "both":
        return [wanted]
    if postgres_answers():
        return ["sqlite", "postgres"]
    _say("No PostgreSQL server answers: SQLite only (BENCH_POSTGRES names one).")
    return ["sqlite"]


def _busy() -> str:
    """Return how busy the machine was in the last minute: above its cores, times say little."""
    return f"load {os.getloadavg()[0]:.1f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
