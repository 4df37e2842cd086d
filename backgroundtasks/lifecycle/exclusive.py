"""Keys of which one run at a time may have begun."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from backgroundtasks.lifecycle import store
from backgroundtasks.models import TaskStatus, conditions

if TYPE_CHECKING:
    from uuid import UUID

_LONGEST: Final = 200


def scoped_key(account_id: UUID, task_type: str, key: str) -> str:
    """Return an exclusive key that other accounts and task types do not share."""
    scoped = f"{account_id.hex}:{task_type}:{key}"
    if len(scoped) <= _LONGEST and "\0" not in scoped:
        return scoped
    # The beginnings of two long keys may be the same.
    return hashlib.sha256(scoped.encode(errors="surrogatepass")).hexdigest()


def is_taken(key: str) -> bool:
    """
    Return whether a run of a scoped key has not finished.

    Within a transaction: until its end, whoever else asks for the key waits.
    """
    store().lock(key)
    of_key = TaskStatus.objects.filter(exclusive_key=key)
    # One question for each index of unfinished runs: together they would walk every run.
    unfinished = (
        conditions.HELD,
        conditions.STANDING,
        conditions.QUEUED,
        conditions.SCHEDULED,
    )
    return any(of_key.filter(condition).exists() for condition in unfinished)
