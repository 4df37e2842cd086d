"""
The life of a run: how it is made, how it moves, how it goes.

Nothing else writes `TaskStatus.state`. The paths of every submission, claim and finish are
plain SQL (`postgres`, `sqlite`); all other arrows are guarded UPDATEs of the ORM (`arrows`).
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def store(database: BaseDatabaseWrapper | None = None) -> ModuleType:
    """Return the module for the database at hand, with `insert`, `claim`, `finish` and so on."""
    return _store((database or connection).vendor)


@cache
def _store(vendor: str) -> ModuleType:
    from backgroundtasks.lifecycle import postgres, sqlite  # noqa: PLC0415 - they need the models

    return postgres if vendor == "postgresql" else sqlite
