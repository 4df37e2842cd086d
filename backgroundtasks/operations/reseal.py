"""Encrypt stored secrets anew, under the data key in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from backgroundtasks import exceptions
from backgroundtasks.handlers import secrets
from backgroundtasks.models import BackupStore, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from django.db.models import Model

_BATCH = 100


def reseal_secrets() -> tuple[int, list[UUID]]:
    """
    Seal all stored secrets anew: of tasks' parameters, of stores, and of what apps registered.

    Safe to run again, and beside running work. One look over each table, in short
    transactions of a hundred rows each.

    Returns:
        How many rows were resealed, and which hold a secret that no data key opens; those
        stay as they are.
    """
    resealed = 0
    unreadable: list[UUID] = []
    columns: list[tuple[type[Model], str]] = [
        (Task, "parameters"),
        (BackupStore, "credentials"),
        *secrets.registered_columns(),
    ]
    for model, column in columns:
        for batch in _batches(model, column):
            done, left = _reseal(model, column, batch)
            resealed += done
            unreadable += left
    return resealed, unreadable


def _reseal(model: type[Model], column: str, ids: Sequence[UUID]) -> tuple[int, list[UUID]]:
    unreadable: list[UUID] = []
    with transaction.atomic():
        rows = model._base_manager.select_for_update().only(column).in_bulk(ids)  # noqa: SLF001 - documented API
        for row in list(rows.values()):
            try:
                setattr(row, column, secrets.rotate(getattr(row, column)))
            except exceptions.SecretUnreadable:
                unreadable.append(rows.pop(row.pk).pk)
        model._base_manager.bulk_update(rows.values(), [column])  # noqa: SLF001
    return len(rows), unreadable


def _batches(model: type[Model], column: str) -> Iterator[Sequence[UUID]]:
    """Yield the ids of the rows that hold secrets; read outside the transactions that write."""
    # A sealed value is an object with this one name: its text is found at any depth.
    rows = model._base_manager.alias(text=Cast(column, TextField()))  # noqa: SLF001
    sealed = rows.filter(text__contains='"$sealed"').order_by("pk").values_list("pk", flat=True)
    batch = list(sealed[:_BATCH])
    while batch:
        yield batch
        batch = list(sealed.filter(pk__gt=batch[-1])[:_BATCH])
