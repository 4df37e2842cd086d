"""
`GET /api/backgroundtasks`: the runs that the caller may see, newest first; and `…/children`.

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
from backgroundtasks.api.enterprise_tester.odata import Keyed, Members
from backgroundtasks.api.enterprise_tester.paging import condition, envelope, read_slice
from backgroundtasks.api.enterprise_tester.reading import COLUMNS
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
MEMBERS: Final[Members] = {
    "Type": "task_type",
    "State": "state",
    "Owner": "owner__username",
    "Title": "task__title",
    "Message": "text",
    "Error": "error",
    "QueuedAt": "queued_at",
    "StartedAt": "started_at",
    "FinishedAt": "finished_at",
    "Labels": Keyed(queries.labelled),
}
#: What an item has beside its run: its place, then what is shown.
_ALSO: Final = ("position", "task__title", "owner__username")
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
    runs = _visible(actor, condition(request, TaskStatus, MEMBERS))
    return _page(request, runs, newest_first=_newest_first(request, default=True))


def children(request: Request, actor: Actor, parent_id: UUID) -> dict[str, Any]:
    """
    Return a page of the runs that a run started, the first one first; as `page` otherwise.

    Raises:
        Refused: a parameter that does not fit.
    """
    wanted = condition(request, TaskStatus, MEMBERS)
    runs = queries.visible_children(actor, parent_id).filter(wanted)
    return _page(request, runs, newest_first=_newest_first(request, default=False))


def of_task(request: Request, actor: Actor, task_id: UUID) -> dict[str, Any]:
    """
    Return a page of the visible runs of a task, newest first; as `page` otherwise.

    Raises:
        Refused: a parameter that does not fit.
    """
    wanted = condition(request, TaskStatus, MEMBERS)
    runs = queries.visible_runs_of_task(actor, task_id).filter(wanted)
    return _page(request, runs, newest_first=_newest_first(request, default=True))


def _page(request: Request, runs: QuerySet[TaskStatus], *, newest_first: bool) -> dict[str, Any]:
    wanted = read_slice(request, largest_skip=LARGEST_SKIP)
    total = runs.order_by()[: COUNTED + 1].count() if wanted.counted else None
    behind = _behind(request, runs, newest_first=newest_first)
    ordered = _ordered(behind, newest_first=newest_first)
    rows = ordered.values_list(*COLUMNS, *_ALSO)[wanted.skip : wanted.skip + wanted.top + 1]
    found = [(Run(*row[: -len(_ALSO)]), *row[-len(_ALSO) :]) for row in rows]
    shown = found[: wanted.top]
    items = [_item(request, run, title, owner) for run, _, title, owner in shown]
    body = envelope(items, wanted, _bounded(total))
    if total is not None and total > COUNTED:
        body["TotalIsMinimum"] = True
    if len(found) > wanted.top > 0:
        last, position, *_ = shown[-1]
        body["NextLink"] = next_link(request, f"{position}.{last.id.hex}")
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


def _newest_first(request: Request, *, default: bool) -> bool:
    """Return the direction; there is an index for one member only."""
    words = request.query_params.get("$orderby", "").lower().split()
    if not words:
        return default
    if words == ["queuedat", "desc"]:
        return True
    if words in (["queuedat"], ["queuedat", "asc"]):
        return False
    raise Refused("$orderby takes QueuedAt, asc or desc, here.")


def _ordered(runs: QuerySet[TaskStatus], *, newest_first: bool) -> QuerySet[TaskStatus]:
    order = ("-position", "-pk") if newest_first else ("position", "pk")
    return runs.order_by(*order)


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


def _item(request: Request, run: Run, title: str, owner: str | None) -> dict[str, Any]:
    body = represented(request, run)
    body.setdefault("Type", run.task_type)
    body.setdefault("Title", title or None)
    body.setdefault("Owner", owner)
    return body
