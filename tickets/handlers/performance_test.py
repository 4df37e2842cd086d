"""`PerformanceTest`: how fast this installation is, here and now."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from rest_framework import serializers

from backgroundtasks import operations, queries
from backgroundtasks.handlers import Outcome, TaskContext, TaskFailed, TaskHandler, permissions
from backgroundtasks.handlers.actor import actor_of
from backgroundtasks.states import FINAL
from indexing import search, tql
from tickets.handlers.performance_probe import PerformanceProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backgroundtasks.handlers import Actor

_PICKING_UP: Final = "Measuring pick-up"
_SUBMITTING: Final = "Measuring submission"
_RECORDING: Final = "Measuring progress"
_SEARCHING: Final = "Measuring search"

#: A page as users ask for it.
_PAGE: Final = 25
_SEARCHES: Final = {
    "Search by a word": "Name ~ 'a'",
    "Search by type, newest first": "EntityType = AutomatedTest ORDER BY LastUpdatedAt DESC",
}
_PROGRESS_CALLS: Final = 100_000
_SAMPLES: Final = 20


class PerformanceTest(TaskHandler):
    """
    Measures this installation: submission, pick-up, progress, search.

    It starts tasks that do nothing, so it takes a little of the installation's speed while it
    runs; its numbers are those of the moment, with whatever else is being done. The report is
    at `/api/diagnostics/performancemeasurement/latest`. Its elements are samples.
    """

    task_type = "PerformanceTest"
    permissions = (permissions.InstallationOperator(),)
    idempotent = True
    timeout = timedelta(minutes=30)

    class Parameters(serializers.Serializer[Any]):
        """How many samples are taken."""

        Submissions = serializers.IntegerField(min_value=1, max_value=1_000, default=100)
        PickUps = serializers.IntegerField(min_value=1, max_value=50, default=10)
        Searches = serializers.IntegerField(min_value=1, max_value=200, default=20)

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one measure at a time."""
        return "installation"

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Take the measures one after the other; what waits for workers lets go of this one."""
        total = parameters["PickUps"] + parameters["Submissions"] + 2 + len(_SEARCHES)
        samples = _Samples(context, total)
        pick_ups = _pick_ups(samples, parameters["PickUps"])
        submitted, drained = _submissions(samples, parameters["Submissions"])
        samples.show(_RECORDING)
        calls = _progress_calls(context)
        samples.advance()
        stored = [_took(context.remember) for _ in range(_SAMPLES)]
        samples.advance()
        trips = [_took(_round_trip) for _ in range(_SAMPLES)]
        samples.show(_SEARCHING)
        found = list(_searches(samples, parameters["Searches"]))
        samples.show(_SEARCHING)
        return Outcome(
            {
                "Database": connection.vendor,
                "Workers": queries.live_workers().count(),
                "Documents": samples.documents,
                "Measurements": [
                    measured("Submission", submitted),
                    measured("Pick-up", pick_ups),
                    {"Name": "Runs done", "Unit": "/s", "Samples": len(submitted), "Rate": drained},
                    {
                        "Name": "Progress calls",
                        "Unit": "/s",
                        "Samples": _PROGRESS_CALLS,
                        "Rate": calls,
                    },
                    measured("Stored progress", stored),
                    measured("Database round trip", trips),
                    *found,
                ],
            }
        )


class _Samples:
    """How many samples the run has taken, over all its attempts, and whose it is."""

    def __init__(self, context: TaskContext, total: int) -> None:
        self.context = context
        self._total = total
        self.documents = 0
        self._done = 0

    def advance(self, count: int = 1) -> None:
        """Count samples; stop here if the run must stop."""
        self._done += count
        self.context.progress(self._done, self._total)
        self.context.checkpoint()

    def show(self, text: str) -> None:
        """Say what is being measured."""
        self.context.progress(self._done, self._total, text)

    def actor(self) -> Actor:
        """Return the owner in the account, as a client of the API would be."""
        owner = self.context.user_id
        user = None if owner is None else User.objects.filter(pk=owner).first()
        if user is None:
            raise TaskFailed("The task's owner is gone, and nobody else may submit in their name.")
        return actor_of(user, self.context.account_id)


def _pick_ups(samples: _Samples, count: int) -> list[float]:
    """
    Return seconds from a submission to its begin, one after the other.

    With one worker, the time in which this run lets go of it is in there: others wait as long.
    """
    context = samples.context
    samples.show(_PICKING_UP)
    waits: list[float] = []
    for number in range(count):
        key = f"pick-up {number}"
        submitted: dict[str, float] = context.memory.get("submitted", {})
        if key not in submitted:
            began = time.time()
            context.start_child(PerformanceProbe.task_type, key=key)
            context.remember(submitted={**submitted, key: began})
        [child] = [one for one in context.wait_for_children(progress=False) if one.key == key]
        if child.ended_well:
            # Two machines' clocks may differ by more than it takes.
            waits.append(max(child.result["Began"] - context.memory["submitted"][key], 0.0))
        samples.advance()
    if not waits:
        raise TaskFailed("No probe was done: see what became of the children.")
    return waits


def _submissions(samples: _Samples, count: int) -> tuple[list[float], float]:
    """Return seconds of each submission, and how many a second the workers did."""
    context = samples.context
    samples.show(_SUBMITTING)
    if "ids" not in context.memory:
        actor = samples.actor()
        labels = {"performancetest": str(context.run_id)}
        ids: list[str] = []
        took: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            submission = operations.submit(actor, PerformanceProbe.task_type, {}, labels=labels)
            took.append(time.perf_counter() - began)
            ids.append(str(submission.run_id))
            context.checkpoint()
        context.remember(ids=ids, took=took)
    # Behind all of them in the queue: when it has ended, they have, or nearly.
    context.start_child(PerformanceProbe.task_type, key="behind")
    context.wait_for_children(progress=False)
    samples.advance(count)
    took = context.memory["took"]
    return took, _rate(samples.actor(), context.memory["ids"])


def _rate(actor: Actor, ids: Sequence[str]) -> float:
    """Return how many of the runs were done a second, of those that are done."""
    runs = queries.visible_runs(actor).filter(pk__in=[UUID(one) for one in ids], state__in=FINAL)
    moments = list(runs.values_list("started_at", "finished_at"))
    begins = [began for began, _ in moments if began is not None]
    ends = [ended for _, ended in moments if ended is not None]
    if not begins or not ends:
        return 0.0
    seconds = (max(ends) - min(begins)).total_seconds()
    return round(len(ends) / max(seconds, 0.001), 1)


def _progress_calls(context: TaskContext) -> float:
    """Return how often a handler may say where it is, a second."""
    processed, total, text = context.latest or (0, 0, None)
    began = time.perf_counter()
    for _ in range(_PROGRESS_CALLS):
        context.progress(processed, total, text)
    return round(_PROGRESS_CALLS / (time.perf_counter() - began))


def _searches(samples: _Samples, count: int) -> Iterator[dict[str, Any]]:
    account_id = samples.context.account_id
    samples.documents = search.find(account_id, tql.Query()).count()
    for name, text in _SEARCHES.items():
        took: list[float] = []
        for _ in range(count):
            with suppress(tql.QueryInvalid):  # a project without such entities
                took.append(_took(lambda text=text: _page(account_id, text)))  # type: ignore[misc]
            samples.context.checkpoint()
        samples.advance()
        if took:
            yield measured(name, took)


def _page(account_id: UUID, text: str) -> None:
    """Find and count, as a page of `/api/search` does."""
    found = search.find(account_id, tql.parse(text))
    found.count()
    list(found[:_PAGE].values_list("entity_type", "entity_id"))


def _round_trip() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _took(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measured(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    """Return what was measured, in milliseconds; at least one sample."""
    found = sorted(1000 * one for one in seconds)
    return {
        "Name": name,
        "Unit": "ms",
        "Samples": len(found),
        "Lowest": round(found[0], 3),
        "Median": round(statistics.median(found), 3),
        "P95": round(found[min(int(len(found) * 0.95), len(found) - 1)], 3),
        "Highest": round(found[-1], 3),
    }
