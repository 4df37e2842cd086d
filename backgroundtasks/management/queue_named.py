"""Find a queue by the name that somebody typed."""

from __future__ import annotations

from django.core.management.base import CommandError

from backgroundtasks import queries


def refuse_unknown_queue(name: str) -> None:
    """
    Refuse a name that no handler, run or pause knows: a typing error would pause nothing.

    Raises:
        CommandError: names the queues that there are.
    """
    known = [queue.name for queue in queries.queue_health()]
    if name not in known:
        raise CommandError(f"There is no queue {name!r}; there are: {', '.join(known)}.")
