"""
A page of the tasks that the caller may see, newest first unless `orderBy` says otherwise.

Pages follow each other by key, not by number, so the thousandth costs what the first one costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, Value
from django.db.models.lookups import Exact, GreaterThan, IsNull, LessThan

from backgroundtasks import queries
from backgroundtasks.api.astra import continuation, fields, vocabulary
from backgroundtasks.api.astra.continuation import Place
from backgroundtasks.api.astra.fields import CREATED, FIELDS, MEMBERS, ValueRefused
from backgroundtasks.api.astra.parameters import refuse_invalid
from backgroundtasks.api.astra.representation import COLUMNS, Run, represent
from backgroundtasks.states import State

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from backgroundtasks.api.astra.filters import Condition
    from backgroundtasks.api.astra.parameters import Wanted
    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus


def page(actor: Actor, wanted: Wanted, origin: str) -> dict[str, Any]:
    """
    Return a page, with `metadata.continue` when more follow, and `metadata.count` if asked for.

    Queries: one; one more for `count`, and for each `userID` or `resourceID` of the filter.

    Raises:
        Problem: the filter names what there is not.
    """
    runs = _matching(actor, wanted.conditions)
    metadata: dict[str, Any] = {}
    if wanted.counted:
        metadata["count"] = runs.order_by().count()
    found = list(_slice(runs, wanted))
    shown = found[: wanted.limit]
    if len(found) > wanted.limit:
        metadata["continue"] = continuation.write(
            _place(shown[-1]), wanted.order, descending=wanted.descending
        )
    tasks = [represent(Run(*row[: len(COLUMNS)]), origin) for row in shown]
    return {
        "type": vocabulary.LIST_TYPE,
        "version": vocabulary.VERSION,
        "items": [_chosen(task, wanted.include) for task in tasks] if wanted.include else tasks,
        "metadata": metadata,
    }


def _chosen(task: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    """Return the values in the order asked for; null keeps the place of what is not there."""
    return [task.get(name) for name in names]


def _matching(actor: Actor, conditions: tuple[Condition, ...]) -> QuerySet[TaskStatus]:
    """Return the visible runs that meet all conditions, by the index of their states."""
    states = frozenset(State)
    rest = Q()
    invalid = []
    for condition in conditions:
        try:
            rest &= _test(actor, condition)
        except ValueRefused as error:
            invalid.append(
                ("filter", f"the value at position {condition.position} must be {error}")
            )
        except LookupError as error:
            invalid.append(("filter", f"at position {condition.position}: {error.args[0]}"))
        if condition.field == "state" and not invalid:
            states &= fields.states_where(condition.operator, condition.value)
    refuse_invalid(invalid)
    if not states:
        return queries.visible_runs(actor).none()
    if states == frozenset(State):
        return queries.visible_runs(actor).filter(rest)
    return queries.visible_in_states(actor, states).filter(rest)


def _test(actor: Actor, condition: Condition) -> Q:
    field = FIELDS.get(condition.field)
    if field is None:
        whether = "cannot be filtered by" if condition.field in MEMBERS else "there is no member"
        raise LookupError(f"{whether} {condition.field[:50]}; there are {', '.join(FIELDS)}")
    if condition.operator not in field.operators:
        raise LookupError(f"{condition.field} takes {', '.join(field.operators)}")
    if condition.field == "state":
        return Q()  # the index of states answers it
    return field.test(actor, condition.operator, condition.value)


def _slice(runs: QuerySet[TaskStatus], wanted: Wanted) -> Any:
    """Return the rows of the page and one more; behind `COLUMNS` is what places a row."""
    columns: list[Any] = [*COLUMNS, "position"]
    oldest_first = wanted.order == CREATED and not wanted.descending
    order: list[Any] = ["position", "pk"] if oldest_first else ["-position", "-pk"]
    if wanted.order not in {"", CREATED}:
        expression: Any = FIELDS[wanted.order].order
        runs = runs.annotate(sort_key=expression())
        columns.append("sort_key")
        key = F("sort_key")
        # What has no value comes before what has one.
        first = key.desc(nulls_last=True) if wanted.descending else key.asc(nulls_first=True)
        order.insert(0, first)
    skip = wanted.skip
    if wanted.place is not None:
        runs = runs.filter(_behind(wanted.place, wanted))
        # It was done on the way to this place.
        skip = 0
    return runs.order_by(*order).values_list(*columns)[skip : skip + wanted.limit + 1]


def _behind(place: Place, wanted: Wanted) -> Q:
    """Return the condition of what follows a place."""
    # The first condition alone is what an index can begin at; a plain OR would scan.
    at, pk = place.position, place.run_id
    if wanted.order == CREATED and not wanted.descending:
        return Q(position__gte=at) & (Q(position__gt=at) | Q(pk__gt=pk))
    tied = Q(position__lte=at) & (Q(position__lt=at) | Q(pk__lt=pk))
    if wanted.order in {"", CREATED}:
        return tied
    key = F("sort_key")
    if place.key is None:
        none = Q(IsNull(key, True)) & tied  # noqa: FBT003 - Django's own
        return none if wanted.descending else none | Q(IsNull(key, False))  # noqa: FBT003
    same = Q(Exact(key, Value(place.key))) & tied
    if wanted.descending:
        return Q(LessThan(key, Value(place.key))) | same | Q(IsNull(key, True))  # noqa: FBT003
    return Q(GreaterThan(key, Value(place.key))) | same


def _place(row: tuple[Any, ...]) -> Place:
    position, *key = row[len(COLUMNS) :]
    return Place(key[0] if key else None, position, row[0])
