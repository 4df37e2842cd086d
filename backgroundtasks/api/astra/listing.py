"""
A page of the tasks that the caller may see, newest first unless `orderBy` says otherwise.

Pages follow each other by key, not by number, so the thousandth costs what the first one costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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

#: Columns as `COLUMNS`, the place, and what `orderBy` sorts by.
Row = tuple[Any, ...]
#: Orders that the index of places has.
_PLACED: Final = ("", CREATED)
#: States that are asked for one by one: a word of Astra's stands for two at most.
_FEW: Final = 2


def page(actor: Actor, wanted: Wanted, origin: str) -> dict[str, Any]:
    """
    Return a page, with `metadata.continue` when more follow, and `metadata.count` if asked for.

    Queries: one, or one for each of our states that a `state` of the filter stands for; as many
    for `count`; one more for each `userID` or `resourceID` of the filter.

    Raises:
        Problem: the filter names what there is not.
    """
    states, rest = _meaning(actor, wanted.conditions)
    sources = _sources(actor, states, rest)
    metadata: dict[str, Any] = {}
    if wanted.counted:
        metadata["count"] = sum(runs.order_by().count() for runs in sources)
    if wanted.order in _PLACED and not wanted.skip:
        found = _newest(sources, wanted)
    else:
        found = _sorted(actor, queries.visible_in_states(actor, states).filter(rest), wanted)
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


def _meaning(actor: Actor, conditions: tuple[Condition, ...]) -> tuple[frozenset[State], Q]:
    """Return the states that all conditions leave, and what else they ask for."""
    states = frozenset(State)
    rest = Q()
    invalid = []
    for condition in conditions:
        try:
            rest &= _test(actor, condition)
        except ValueRefused as error:
            reason = f"the value at position {condition.position} must be {error}"
            invalid.append(("filter", reason))
        except LookupError as error:
            invalid.append(("filter", f"at position {condition.position}: {error.args[0]}"))
        else:
            if condition.field == "state":
                states &= fields.states_where(condition.operator, condition.value)
    refuse_invalid(invalid)
    return states, rest


def _sources(actor: Actor, states: frozenset[State], rest: Q) -> list[QuerySet[TaskStatus]]:
    """Return the runs that fit: of few states one queryset each, as each has an index in order."""
    if len(states) <= _FEW:
        return [queries.visible_in_states(actor, {state}).filter(rest) for state in sorted(states)]
    if states == frozenset(State):
        return [queries.visible_runs(actor).filter(rest)]
    return [queries.visible_in_states(actor, states).filter(rest)]


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


def _newest(sources: list[QuerySet[TaskStatus]], wanted: Wanted) -> list[Row]:
    """Return the rows of a page and one more, in the order of places; no rows are passed over."""
    oldest_first = _oldest_first(wanted)
    order = ("position", "pk") if oldest_first else ("-position", "-pk")
    rows: list[Row] = []
    for runs in sources:
        behind = runs if wanted.place is None else runs.filter(_behind(wanted.place, wanted))
        rows += behind.order_by(*order).values_list(*COLUMNS, "position")[: wanted.limit + 1]
    if len(sources) > 1:
        rows.sort(key=lambda row: (row[-1], row[0]), reverse=not oldest_first)
    return rows[: wanted.limit + 1]


def _sorted(actor: Actor, runs: QuerySet[TaskStatus], wanted: Wanted) -> list[Row]:
    """Return the rows of a page and one more, as `orderBy` sorts them, behind what is skipped."""
    columns: list[Any] = [*COLUMNS, "position"]
    order: list[Any] = ["position", "pk"] if _oldest_first(wanted) else ["-position", "-pk"]
    key: dict[str, Any] = {}
    if wanted.order not in _PLACED:
        expression: Any = FIELDS[wanted.order].order
        key = {"sort_key": expression()}
        columns.append("sort_key")
        by_key = F("sort_key")
        # What has no value comes before what has one.
        first = by_key.desc(nulls_last=True) if wanted.descending else by_key.asc(nulls_first=True)
        order.insert(0, first)
    runs = runs.annotate(**key)
    skip = wanted.skip
    if wanted.place is not None:
        runs = runs.filter(_behind(wanted.place, wanted))
        # It was done on the way to this place.
        skip = 0
    # Sorting whole rows costs several times as much as sorting ids.
    ids = runs.order_by(*order).values("pk")[skip : skip + wanted.limit + 1]
    whole = queries.visible_runs(actor).annotate(**key).filter(pk__in=ids)
    return list(whole.order_by(*order).values_list(*columns))


def _oldest_first(wanted: Wanted) -> bool:
    return wanted.order == CREATED and not wanted.descending


def _behind(place: Place, wanted: Wanted) -> Q:
    """Return the condition of what follows a place."""
    # The first condition alone is what an index can begin at; a plain OR would scan.
    at, pk = place.position, place.run_id
    if _oldest_first(wanted):
        return Q(position__gte=at) & (Q(position__gt=at) | Q(pk__gt=pk))
    tied = Q(position__lte=at) & (Q(position__lt=at) | Q(pk__lt=pk))
    if wanted.order in _PLACED:
        return tied
    key = F("sort_key")
    if place.key is None:
        none = Q(IsNull(key, True)) & tied  # noqa: FBT003 - Django's own
        return none if wanted.descending else none | Q(IsNull(key, False))  # noqa: FBT003
    same = Q(Exact(key, Value(place.key))) & tied
    if wanted.descending:
        return Q(LessThan(key, Value(place.key))) | same | Q(IsNull(key, True))  # noqa: FBT003
    return Q(GreaterThan(key, Value(place.key))) | same


def _place(row: Row) -> Place:
    position, *key = row[len(COLUMNS) :]
    return Place(key[0] if key else None, position, row[0])
