"""Runs that a schedule makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks.lifecycle import store
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence


def create(runs: Sequence[TaskStatus]) -> None:
    """Store new runs, queued or skipped, of tasks that exist, and tell the workers."""
    TaskStatus.objects.bulk_create(runs)
    if any(run.state == State.QUEUED for run in runs):
        store().wake()
