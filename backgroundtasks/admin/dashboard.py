"""How the installation is doing, problems first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse

from backgroundtasks import clock, queries
from backgroundtasks.admin import looks, scope
from backgroundtasks.states import State

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

_LATE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
#: Runs of a day that are counted at most.
_MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should look at."""

    text: str
    #: Where to look; empty where there is no page.
    url: str = ""


def show(request: HttpRequest, *, model_admin: ModelAdmin[Any]) -> TemplateResponse:
    """Show backlog, workers and the last day's runs; a fixed number of queries."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    queues = queries.queue_health()
    workers = list(queries.live_workers().order_by("host", "pid"))
    counts = queries.recent_runs_of(scope.accounts(request), _DAY, most=_MOST)
    total = sum(counts.values())
    context = model_admin.admin_site.each_context(request) | {
        "title": "Task center",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "problems": [
            *_worker_problems(workers),
            *_queue_problems(queues),
            *_paused(queries.count_paused(scope.accounts(request))),
            *_bad_ends(counts),
        ],
        "queues": [
            {
                "name": queue.name,
                "paused": queue.paused,
                "queued": queue.queued,
                "oldest": looks.span(queue.oldest),
                "url": _runs(state=State.QUEUED.value, queue=queue.name),
            }
            for queue in queues
        ],
        "workers": [
            {"name": str(worker), "since": looks.moment(worker.started_at), "pk": worker.pk}
            for worker in workers
        ],
        "states": [
            {
                "mark": looks.state(state.value),
                "count": counts[state.value],
                "url": _runs(state=state.value, queued="day"),
            }
            for state in State
            if counts[state.value]
        ],
        "total": total,
        "capped": total >= _MOST,
        "most": _MOST,
    }
    return TemplateResponse(request, "admin/backgroundtasks/dashboard.html", context)


def _runs(**narrowed: str) -> str:
    return f"{reverse('admin:backgroundtasks_taskstatus_changelist')}?{urlencode(narrowed)}"


def _worker_problems(workers: list[Any]) -> list[Problem]:
    if workers:
        return []
    last = queries.last_beat()
    known = (
        "no worker has ever run here"
        if last is None
        else f"the last worker was heard of {looks.span(clock.now() - last)} ago"
    )
    return [Problem(f"Nothing is being done: {known}. Start manage.py runworkers.")]


def _queue_problems(queues: list[queries.QueueHealth]) -> list[Problem]:
    found = []
    for queue in queues:
        url = _runs(state=State.QUEUED.value, queue=queue.name)
        if queue.paused:
            found.append(
                Problem(f"The queue {queue.name} is paused; runs that wait: {queue.queued}.", url)
            )
        elif queue.oldest is not None and queue.oldest > _LATE:
            found.append(
                Problem(
                    f"A run in the queue {queue.name} has waited {looks.span(queue.oldest)}.", url
                )
            )
    return found


def _paused(count: int) -> list[Problem]:
    """Nothing but a person lets them go on, and their exclusive keys are taken meanwhile."""
    words = f"Paused, until somebody resumes them: {count}."
    return [Problem(words, _runs(state=State.PAUSED.value))] if count else []


def _bad_ends(counts: Any) -> list[Problem]:
    return [
        Problem(f"{words} within a day: {counts[state.value]}.", _runs(state=state.value))
        for state, words in ((State.LOST, "Lost with their worker"), (State.FAILED, "Failed"))
        if counts[state.value]
    ]
