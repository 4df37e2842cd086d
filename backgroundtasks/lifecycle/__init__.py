"""
The life of a run: how it is made, how it moves, how it goes.

Nothing else writes `TaskStatus.state`. The paths of every submission, claim and finish are
plain SQL (`postgres`, `sqlite`); all other arrows are guarded UPDATEs of the ORM (`arrows`).
"""

from __future__ import annotations

from types import ModuleType

from django.db import connection


def store() -> ModuleType:
    """Return the module for the database at hand, with `insert`, `claim`, `finish` and so on."""
    from backgroundtasks.lifecycle import postgres, sqlite  # noqa: PLC0415 - they need the models

    return postgres if connection.vendor == "postgresql" else sqlite
