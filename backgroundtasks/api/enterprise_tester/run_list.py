"""
`GET /api/backgroundtasks`: the runs that the caller may see, newest first.

Pages follow each other by key, not by number: `NextLink` carries the place of the last item,
so that page 1,000 of a million costs what page 1 costs. `$skip` counts its way and is
therefore limited. Nothing is counted unless `$inlinecount=allpages` asks for it, and then at
most `COUNTED` runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Q

from backgroundtasks import queries
from backgroundtasks.api.enterprise_tester.paging import condition, envelope, read_slice
from backgroundtasks.api.enterprise_tester.started import represented
from backgroundtasks.api.enterprise_tester.vocabulary import Run
from backgroundtasks.api.errors import Refused
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

#: What `$filter` may name.
MEMBERS: Final = {
    "Type": "task_type",
    "State": "state",
    "Owner": "owner__username",
    "Title": "task__title",
    "Message": "text",
    "Error": "error",
    "QueuedAt": "queued_at",
    "StartedAt": "started_at",
    "FinishedAt": "finished_at",
}
LARGEST_SKIP: Final = 10_000
COUNTED: Final = 100_000
_TOKEN: Final = re.compile(r"(\d{1,19})\.([0-9a-f]{32})")


def page(request: Request, actor: Actor) -> dict[str, Any]:
    """
    Return a page: `Skip`, `Top`, `Items`, `Total` when it was asked for, `NextLink` when more follow.

    `TotalIsMinimum` is there, and true, when more than `COUNTED` runs fit.

    Raises:
        Refused: a parameter that does not fit.
    """
    wanted = read_slice(request, largest_skip=LARGEST_SKIP)
    newest_first = _newest_first(request)
    runs = _visible(actor, condition(request, TaskStatus, MEMBERS))
    total = runs.order_by()[: COUNTED + 1].count() if wanted.counted else None
    behind = _behind(request, runs, newest_first=newest_first)
    ordered = _ordered(behind, newest_first=newest_first)
    found = list(ordered[wanted.skip : wanted.skip + wanted.top + 1])
    shown = found[: wanted.top]
    body = envelope([_item(request, run) for run in shown], wanted, _bounded(total))
    if total is not None and total > COUNTED:
        body["TotalIsMinimum"] = True
    if len(found) > wanted.top > 0:
        body["NextLink"] = next_link(request, f"{shown[-1].position}.{shown[-1].pk.hex}")
    return body


def _visible(actor: Actor, wanted: Q) -> QuerySet[TaskStatus]:
    """Return the visible runs that fit, by the index of their state where one is asked for."""
    state = _state(wanted)
    runs = queries.visible_runs(actor)
    if state is not None:
        runs = queries.visible_in_states(actor, {state})
    return runs.filter(wanted) if wanted else runs


def _state(wanted: Q) -> State | None:
    """Return the state that every run that fits is in, if the condition says so."""
    if wanted.negated or (wanted.connector != Q.AND and len(wanted.children) > 1):
        return None
    for child in wanted.children:
        if isinstance(child, Q):
            found = _state(child)
            if found is not None:
                return found
        elif isinstance(child, tuple) and child[0] in {"state", "state__exact", "state__iexact"}:
            return State(child[1]) if child[1] in set(State) else None
    return None


def next_link(request: Request, token: str) -> str:
    """Return the URL of this request's next page: the same, behind the token, without a skip."""
    query = request.query_params.copy()
    query["$skiptoken"] = token
    query.pop("$skip", None)
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode(safe='$')}"


def _bounded(total: int | None) -> int | None:
    return None if total is None else min(total, COUNTED)


def _newest_first(request: Request) -> bool:
    """Return the direction; there is an index for one member only."""
    words = request.query_params.get("$orderby", "").lower().split()
    if words in ([], ["queuedat", "desc"]):
        return True
    if words in (["queuedat"], ["queuedat", "asc"]):
        return False
    raise Refused("$orderby takes QueuedAt, asc or desc, here.")


def _ordered(runs: QuerySet[TaskStatus], *, newest_first: bool) -> QuerySet[TaskStatus]:
    order = ("-position", "-pk") if newest_first else ("position", "pk")
    return runs.select_related("task", "owner").order_by(*order)


def _behind(
    request: Request, runs: QuerySet[TaskStatus], *, newest_first: bool
) -> QuerySet[TaskStatus]:
    """Return the runs behind the place that `$skiptoken` names."""
    token = request.query_params.get("$skiptoken")
    if token is None:
        return runs
    found = _TOKEN.fullmatch(token)
    if found is None or int(found[1]) >= 2**63:
        raise Refused("$skiptoken is none that a NextLink named.")
    position, run_id = int(found[1]), UUID(found[2])
    # The first condition alone is what an index can begin at; a plain OR would scan.
    if newest_first:
        return runs.filter(
            Q(position__lte=position) & (Q(position__lt=position) | Q(pk__lt=run_id))
        )
    return runs.filter(Q(position__gte=position) & (Q(position__gt=position) | Q(pk__gt=run_id)))


def _item(request: Request, run: TaskStatus) -> dict[str, Any]:
    body = represented(request, Run.of(run))
    body.setdefault("Type", run.task_type)
    body.setdefault("Title", run.task.title or None)
    body.setdefault("Owner", run.owner.get_username() if run.owner else None)
    return body
