"""What the measures let the other side do."""

from __future__ import annotations

import random
import time
from pathlib import Path

from django.core.management import call_command
from django_q.models import OrmQ
from django_q.tasks import async_task

from bench import moments

_NOTHING = "bench.stock.tasks.nothing"


def migrate() -> None:
    """Make the tables of both sides."""
    call_command("migrate", "--run-syncdb", verbosity=0)


def submit(count: int) -> list[float]:
    """Start tasks one by one; return what each took, in seconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        async_task(_NOTHING)
        took.append(time.perf_counter() - began)
    return took


def submit_until_done(count: int) -> float:
    """Start tasks one by one; return the seconds from the first call until all are done."""
    began = time.monotonic()
    submit(count)
    return wait() - began


def wait(limit: float = 120) -> float:
    """Wait until everything is done and stored; return the monotonic time of that."""
    until = time.monotonic() + limit
    while OrmQ.objects.exists():
        if time.monotonic() > until:
            raise TimeoutError("stock django-q2 did not finish")
        time.sleep(0.005)
    return time.monotonic()


def pick_up(count: int, socket: str) -> list[float]:
    """Start tasks while nothing runs; return the milliseconds from each call to its begin."""
    took = []
    with moments.Listener(Path(socket)) as listener:
        for _ in range(count):
            time.sleep(random.uniform(0.05, 0.25))
            began = time.monotonic_ns()
            async_task("bench.stock.tasks.stamp", socket)
            took.append((listener.next() - began) / 1e6)
    return took


def delete_tasks() -> None:
    """Forget what was not done."""
    OrmQ.objects.all()._raw_delete("default")  # noqa: SLF001 - nothing hangs on them
