"""What came of a step that a person performed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import models


class Outcome(models.TextChoices):
    """The vendor's words, for steps of scripts and of agile runs alike."""

    NOT_RUN = "NotRun"
    FAILED = "Failed"
    PASSED = "Passed"
    BLOCKED = "Blocked"
    UNDETERMINED = "Undetermined"


#: Of a run with at least one step of the kind, the first that fits.
_WORST_FIRST: Final = (Outcome.FAILED, Outcome.BLOCKED, Outcome.UNDETERMINED)
#: As runs are shown: with a blank where the vendor has one.
NOT_RUN: Final = "Not Run"
IN_PROGRESS: Final = "In Progress"


def summed_up(outcomes: Iterable[str], *, completed: bool = False) -> str:
    """
    Return the status of a run from the outcomes of its steps.

    Args:
        outcomes: One for each step.
        completed: Somebody declared it done: steps that were not run do not count.
    """
    found = set(outcomes)
    for worst in _WORST_FIRST:
        if worst in found:
            return worst.value
    if found == {Outcome.NOT_RUN.value} or not found:
        return NOT_RUN
    if Outcome.NOT_RUN in found and not completed:
        return IN_PROGRESS
    return Outcome.PASSED.value
