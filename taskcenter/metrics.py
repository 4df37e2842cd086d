"""
`/metrics` for Prometheus, read from the database at each scrape.

Nothing is counted in the process, so all web processes and machines tell the same, and a
restart loses nothing. The cost does not grow with the history: unfinished runs are read from
their partial indexes, finished ones only within a short window.

Whoever scrapes is on this machine (with nothing that forwards in between), or presents the
credential of a superuser.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from backgroundtasks import queries
from backgroundtasks.api import authentication
from backgroundtasks.api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
#: What proxies add; with any of them the peer's address says nothing about who asks.
_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the metrics as text; 401 or 403 to strangers."""
    refusal = None if _is_local(request) else _refusal(request)
    if refusal is not None:
        return refusal
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    """Whether the request comes from this machine, from whoever may use it."""
    return request.META.get("REMOTE_ADDR") in _LOOPBACK and not any(
        name in request.META for name in _FORWARDED
    )


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to whoever may not see the metrics, or None."""
    try:
        if authentication.identify(request).is_operator:
            return None
    except ApiError as error:
        answer = HttpResponse(
            f"{error.message}\n",
            status=error.status,
            headers=error.headers,
            content_type="text/plain",
        )
        if error.status == HTTPStatus.UNAUTHORIZED:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(
        "Only superusers see the metrics from elsewhere.\n",
        status=HTTPStatus.FORBIDDEN,
        content_type="text/plain",
    )


class RunCollector:
    """Asks the database whenever somebody scrapes."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric."""
        yield from _queues()
        unfinished = GaugeMetricFamily(
            "taskcenter_runs", "Unfinished runs.", labels=["state", "type"]
        )
        for state, task_type, count in queries.runs_by_state_and_type():
            unfinished.add_metric([state, task_type], count)
        yield unfinished
        recent = GaugeMetricFamily(
            "taskcenter_recent_runs",
            "Runs queued within the last minute, by their state now.",
            labels=["state"],
        )
        for state, count in queries.recent_runs_by_state():
            recent.add_metric([state], count)
        yield recent
        bad = GaugeMetricFamily(
            "taskcenter_recent_problems",
            "Runs that ended otherwise than well within the last ten minutes, "
            "of those queued within a day.",
            labels=["state", "type"],
        )
        for state, task_type, count in queries.recent_problems():
            bad.add_metric([state, task_type], count)
        yield bad
        yield GaugeMetricFamily(
            "taskcenter_workers",
            "Worker processes that have beaten within their lease.",
            value=queries.live_workers().count(),
        )


def _queues() -> Iterator[GaugeMetricFamily]:
    queued = GaugeMetricFamily("taskcenter_queued_runs", "Runs in the queue.", labels=["queue"])
    oldest = GaugeMetricFamily(
        "taskcenter_oldest_runnable_run_seconds",
        "How long the oldest run that could be claimed has waited; 0 without one.",
        labels=["queue"],
    )
    paused = GaugeMetricFamily(
        "taskcenter_queue_paused", "1 while nothing of the queue is claimed.", labels=["queue"]
    )
    for queue in queries.queue_health():
        queued.add_metric([queue.name], queue.queued)
        oldest.add_metric([queue.name], queue.oldest.total_seconds() if queue.oldest else 0)
        paused.add_metric([queue.name], queue.paused)
    yield from (queued, oldest, paused)


_registry: Final = CollectorRegistry(auto_describe=False)
_registry.register(RunCollector())
