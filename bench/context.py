"""What a measure is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def bench_on(vendor: str, *, rounds: int, quick: bool) -> Iterator[Bench]:
    """Yield a fresh installation with both sides."""
    with (
        installed(vendor) as installation,
        installation.side(OURS) as ours,
        installation.side(STOCK) as stock,
    ):
        if quick:
            installation.processes = 1
        yield Bench(installation, ours, stock, rounds, quick)
