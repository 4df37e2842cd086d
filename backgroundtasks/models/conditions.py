"""
Conditions of the partial indexes of runs, word for word.

SQLite takes a partial index only for a condition that says the same as the index' own, and
never for one with parameters, which is how Django writes `state__in`. Without these, a
keeper on SQLite would walk every run each second.
"""

from __future__ import annotations

from typing import Final

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from backgroundtasks import states


def _literally(condition: str) -> RawSQL:
    return RawSQL(f'"backgroundtasks_taskstatus"."state" {condition}', (), BooleanField())  # noqa: S611 - constants


QUEUED: Final = _literally("= 'queued'")
SCHEDULED: Final = _literally("= 'scheduled'")
HELD: Final = _literally("IN " + states.sql_list(states.HELD))
STANDING: Final = _literally("IN " + states.sql_list(states.STANDING))
