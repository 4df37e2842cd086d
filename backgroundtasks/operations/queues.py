"""Pause and resume a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from backgroundtasks import clock
from backgroundtasks.lifecycle import store
from backgroundtasks.models import Queue

if TYPE_CHECKING:
    from collections.abc import Iterable


def pause_queue(name: str) -> bool:
    """Stop claiming from a queue; what runs, runs on. Return whether that is new."""
    queue, _ = Queue.objects.get_or_create(name=name)
    return bool(
        Queue.objects.filter(pk=queue.pk, paused_at__isnull=True).update(paused_at=clock.now())
    )


def resume_queue(name: str) -> bool:
    """Claim from a queue again. Return whether it was paused."""
    with transaction.atomic():
        resumed = Queue.objects.filter(pk=name, paused_at__isnull=False).update(paused_at=None)
        store().wake()
    return bool(resumed)


def know_queues(names: Iterable[str]) -> None:
    """Make rows for queues that have none yet: nothing changes but that lists show them."""
    known = set(Queue.objects.values_list("name", flat=True))
    missing = [Queue(name=name) for name in names if name not in known]
    if missing:
        Queue.objects.bulk_create(missing, ignore_conflicts=True)
