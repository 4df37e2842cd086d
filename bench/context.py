"""What a measure is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.installation import OURS, STOCK, Installation, installed
from bench.processes import Service, wait_for

if TYPE_CHECKING:
    from bench.side import Side

WORKERS = 2


@dataclass(frozen=True)
class Bench:
    """Where a measure works, and how thoroughly."""

    installation: Installation
    ours: Side
    stock: Side
    rounds: int
    quick: bool

    @property
    def vendor(self) -> str:
        """`sqlite` or `postgres`."""
        return self.installation.vendor

    def some(self, many: int, few: int) -> int:
        """Return how many of something: `few` when it has to be quick."""
        return few if self.quick else many

    def seconds(self, long: float) -> float:
        """Return for how long to load a server: hardly at all when it has to be quick."""
        return 0.2 if self.quick else long

    @contextmanager
    def our_workers(self) -> Iterator[Service]:
        """Run our worker command, warmed up."""
        before = self.ours("bench.ours.workers")
        command = ("manage.py", "runworkers", f"--workers={WORKERS}")
        with self.installation.service("runworkers", *command) as service:

            def there() -> bool:
                service.require_life()
                return bool(self.ours("bench.ours.workers") >= before + WORKERS)

            wait_for(there, "our workers to start")
            self.ours("bench.ours.submit", task_type="Nothing", count=20)
            self.ours("bench.ours.wait")
            yield service

    @contextmanager
    def stock_workers(self) -> Iterator[Service]:
        """Run stock django-q2's cluster, warmed up."""
        with self.installation.service(
            "qcluster", "manage.py", "qcluster", settings=STOCK
        ) as service:
            self.stock("bench.stock.calls.submit", count=20)
            self.stock("bench.stock.calls.wait")
            yield service


class Benches:
    """
    An installation for each measure; when it has to be quick, one for all of a database.

    Making one takes longer than most measures that have to be quick.
    """

    def __init__(self, *, rounds: int, quick: bool) -> None:
        self._rounds = rounds
        self._quick = quick
        self._kept: dict[str, Bench] = {}
        self._stack = ExitStack()

    @contextmanager
    def on(self, vendor: str, *, alone: bool = False) -> Iterator[Bench]:
        """Yield an installation with both sides; `alone`: one that nobody has used."""
        if alone or not self._quick:
            with self._made(vendor) as bench:
                yield bench
            return
        if vendor not in self._kept:
            self._kept[vendor] = self._stack.enter_context(self._made(vendor))
        yield self._kept[vendor]

    def close(self) -> None:
        """Remove what was kept."""
        self._stack.close()

    @contextmanager
    def _made(self, vendor: str) -> Iterator[Bench]:
        with (
            installed(vendor) as installation,
            installation.side(OURS) as ours,
            installation.side(STOCK) as stock,
        ):
            if self._quick:
                installation.processes = 1
            yield Bench(installation, ours, stock, self._rounds, self._quick)
