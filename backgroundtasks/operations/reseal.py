"""Encrypt stored secrets anew, under the data key in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from backgroundtasks import exceptions
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

_BATCH = 100


def reseal_secrets() -> tuple[int, list[UUID]]:
    """
    Seal the secret parameters of all tasks anew; safe to run again, and beside running work.

    One look over all tasks, in short transactions of a hundred each.

    Returns:
        How many tasks were resealed, and which hold a secret that no data key opens; those
        stay as they are.
    """
    resealed = 0
    unreadable: list[UUID] = []
    for batch in _batches():
        with transaction.atomic():
            tasks = Task.objects.select_for_update().only("parameters").in_bulk(batch)
            for task in list(tasks.values()):
                try:
                    task.parameters = secrets.rotate(task.parameters)
                except exceptions.SecretUnreadable:
                    unreadable.append(tasks.pop(task.pk).pk)
            Task.objects.bulk_update(tasks.values(), ["parameters"])
        resealed += len(tasks)
    return resealed, unreadable


def _batches() -> Iterator[Sequence[UUID]]:
    """Yield the ids of the tasks that hold secrets; read outside the transactions that write."""
    # A sealed value is an object with this one name: its text is found at any depth.
    tasks = Task.objects.alias(text=Cast("parameters", TextField()))
    sealed = tasks.filter(text__contains='"$sealed"').order_by("pk").values_list("pk", flat=True)
    batch = list(sealed[:_BATCH])
    while batch:
        yield batch
        batch = list(sealed.filter(pk__gt=batch[-1])[:_BATCH])
