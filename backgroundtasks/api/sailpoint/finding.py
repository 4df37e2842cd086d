"""
From a filter to the runs that fit, by an index, whatever the mix of runs is.

A test such as `completionStatus eq "ERROR"` names a *branch*: a part of one index, in the order
of the list. What fits a filter lies in the union of some branches; of each as much is read as
the page needs, and the whole filter is asked of what is read. Where several unions would do
(`… and …`), the smallest one is taken, which is counted first. What no other index knows
(`not …`, how a run was started) is a branch of the account's list, asked of the index alone;
it is taken where all others are large.

SQLite keeps no statistics, so it is told which index to take.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower

from backgroundtasks.api.sailpoint import reading
from backgroundtasks.api.sailpoint.errors import illegal_value
from backgroundtasks.api.sailpoint.filters import All, Not, Test
from backgroundtasks.api.sailpoint.vocabulary import (
    COMPLETION,
    ERROR,
    QUEUED_TASK,
    SYSTEM,
    TEMPERROR,
    TYPES,
    kind,
)
from backgroundtasks.handlers import registry
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State, sql_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from backgroundtasks.api.sailpoint.filters import Node
    from backgroundtasks.api.sailpoint.pagination import Window
    from backgroundtasks.api.sailpoint.vocabulary import Row
    from backgroundtasks.handlers import Actor

#: Values of a test that get a branch each; more of them share one, which is sorted.
_MOST_BRANCHES: Final = 32
#: Runs of a branch that are counted before it is called large.
_LARGE: Final = 5000
#: From here on the place of the first run is looked up in the index alone.
_FAR: Final = 500
_UNFINISHED: Final = frozenset(State) - FINAL
_TABLE: Final = TaskStatus._meta.db_table  # noqa: SLF001 - documented API


def _literally(states: frozenset[State]) -> RawSQL:
    """Return the condition of a partial index, word by word: SQLite wants it so."""
    condition = f'"{_TABLE}"."state" IN {sql_list(states)}'
    return RawSQL(condition, (), BooleanField())  # noqa: S611 - constants


@dataclass(frozen=True)
class Branch:
    """A part of an index."""

    index: str
    where: Q


@dataclass(frozen=True)
class _Choice:
    """Any one of these covers holds all that fits."""

    covers: tuple[_Cover, ...]


@dataclass(frozen=True)
class _Union:
    """All of these covers together hold all that fits."""

    covers: tuple[_Cover, ...]


_Cover = Branch | _Choice | _Union


@dataclass(frozen=True)
class Search:
    """What is looked for."""

    condition: Q
    cover: _Cover


_LIST: Final = "run_list"
UNFINISHED: Final = Branch("run_list_unfinished", Q(_literally(_UNFINISHED)))
EVERYTHING: Final = Search(Q(), Branch(_LIST, Q()))
PENDING: Final = Search(Q(state__in=_UNFINISHED), UNFINISHED)


def search_for(actor: Actor, found: Node) -> Search:
    """
    Return what a filter looks for.

    Queries: one, when it names launchers.

    Raises:
        Problem: a value that the field never has.
    """
    return _search(_Meaning(actor), found, negated=False)


def read_page(actor: Actor, search: Search, window: Window) -> list[Row]:
    """Return a page of what fits, in the window's order."""
    runs = reading.shown_runs(actor).filter(search.condition)
    branches = _branches(actor, search)
    if len(branches) == 1:
        return _read_one_branch(runs, branches[0], window)
    order = ("-position", "pk") if window.newest_first else ("position", "pk")
    end = window.offset + window.limit
    parts = [
        _compiled(_in(runs, branch).order_by(*order).values_list("position", "id")[:end], branch)
        for branch in branches
    ]
    direction = "DESC" if window.newest_first else "ASC"
    found = _fetched(
        [part for part in parts if part is not None],
        f"SELECT id FROM ({{}}) AS u ORDER BY position {direction}, id LIMIT %s OFFSET %s",  # noqa: S608 - a constant
        (window.limit, window.offset),
    )
    ids = [row[0] for row in found]
    rows = {row.id: row for row in reading.read_rows(TaskStatus.objects.filter(pk__in=ids))}
    # One that was flushed between the two is not there any more.
    return [rows[pk] for pk in ids if pk in rows]


def count(actor: Actor, search: Search) -> int:
    """Return how many fit."""
    runs = reading.shown_runs(actor).filter(search.condition)
    parts = [
        _compiled(_in(runs, branch).order_by().values_list("position", "id"), branch)
        for branch in _branches(actor, search)
    ]
    found = _fetched([part for part in parts if part], "SELECT COUNT(*) FROM ({}) AS u", ())
    return int(found[0][0]) if found else 0


def _read_one_branch(runs: QuerySet[TaskStatus], branch: Branch, window: Window) -> list[Row]:
    offset = window.offset
    descending = window.newest_first
    runs = _in(runs, branch)
    if offset > _FAR:
        places = runs.order_by("-position" if descending else "position")
        border = _compiled(places.values_list("position")[offset - 1 : offset + 1], branch)
        found = [row[0] for row in _fetched([border] if border else [], "{}", ())]
        if len(found) < 2:  # noqa: PLR2004 - the last one before the page, and its first
            return []
        # Of two runs in one place the ids decide, which the index does not have.
        if found[0] != found[1]:
            runs = runs.filter(**{"position__lte" if descending else "position__gte": found[1]})
            offset = 0
    ordered = runs.order_by("-position" if descending else "position", "pk")
    return reading.read_rows(ordered[offset : offset + window.limit], index=branch.index)


def _branches(actor: Actor, search: Search) -> list[Branch]:
    """Return the branches to read."""
    sizes: dict[int, int] = {}
    if _has_choice(search.cover):
        found = [one for one in _leaves(search.cover) if one.index != _LIST]
        if found:
            sizes = dict(zip(map(id, found), _sizes(actor, found), strict=True))
    chosen, _ = _chosen(search.cover, sizes)
    return chosen


def _chosen(cover: _Cover, sizes: dict[int, int]) -> tuple[list[Branch], int]:
    """Return the branches of the smallest cover, and how large it is."""
    if isinstance(cover, Branch):
        return [cover], sizes.get(id(cover), _LARGE)
    parts = [_chosen(one, sizes) for one in cover.covers]
    if isinstance(cover, _Choice):
        return min(parts, key=lambda part: part[1])
    return [branch for part, _ in parts for branch in part], sum(size for _, size in parts)


def _has_choice(cover: _Cover) -> bool:
    if isinstance(cover, Branch):
        return False
    return isinstance(cover, _Choice) or any(map(_has_choice, cover.covers))


def _leaves(cover: _Cover) -> list[Branch]:
    if isinstance(cover, Branch):
        return [cover]
    return [leaf for one in cover.covers for leaf in _leaves(one)]


def _sizes(actor: Actor, branches: Sequence[Branch]) -> list[int]:
    """Return how many runs branches have, up to `_LARGE`."""
    selects: list[str] = []
    values: list[Any] = []
    for branch in branches:
        runs = TaskStatus.objects.filter(
            branch.where, account_id=actor.account.pk, position__gte=reading.oldest_shown()
        )
        part = _compiled(runs.order_by().values_list("position")[:_LARGE], branch)
        if part is None:
            selects.append("0")
        else:
            selects.append(f"(SELECT COUNT(*) FROM ({part[0]}) AS b)")  # noqa: S608 - Django's SQL
            values += part[1]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(selects)}", values)
        return list(cursor.fetchone())


def _in(runs: QuerySet[TaskStatus], branch: Branch) -> QuerySet[TaskStatus]:
    return runs.filter(branch.where) if branch.where else runs


_Compiled = tuple[str, tuple[Any, ...]]


def _compiled(runs: QuerySet[Any, Any], branch: Branch) -> _Compiled | None:
    try:
        return reading.compiled(runs, index=branch.index)
    except EmptyResultSet:
        return None


def _fetched(parts: Sequence[_Compiled], outer: str, values: tuple[Any, ...]) -> list[Any]:
    """Return the rows of a statement around the union of others."""
    if not parts:
        return []
    union = " UNION ".join(f"SELECT * FROM ({sql}) AS b" for sql, _ in parts)  # noqa: S608 - as above
    inner = [value for _, some in parts for value in some]
    with connection.cursor() as cursor:
        cursor.execute(outer.format(union), [*inner, *values])
        rows: list[Any] = cursor.fetchall()
    return rows


def _search(meaning: _Meaning, node: Node, *, negated: bool) -> Search:
    if isinstance(node, Not):
        return _search(meaning, node.part, negated=not negated)
    if isinstance(node, Test):
        return meaning.of(node, negated=negated)
    parts = [_search(meaning, part, negated=negated) for part in node.parts]
    condition = parts[0].condition
    # De Morgan: what does not fit all of them does not fit one of them.
    if isinstance(node, All) != negated:
        for part in parts[1:]:
            condition &= part.condition
        # Of large ones the list comes first: it tells what does not fit without the table.
        covers = sorted((part.cover for part in parts), key=_is_other)
        return Search(condition, _Choice(tuple(covers)))
    for part in parts[1:]:
        condition |= part.condition
    return Search(condition, _Union(tuple(part.cover for part in parts)))


def _is_other(cover: _Cover) -> bool:
    """Whether it is none of the account's list."""
    return not (isinstance(cover, Branch) and cover.index == _LIST)


class _Meaning:
    """What tests mean, to one actor."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def of(self, test: Test, *, negated: bool) -> Search:
        """Return what a test looks for."""
        return {
            "id": self._id,
            "sourceId": self._source,
            "completionStatus": self._status,
            "type": self._type,
            "launcher": self._launcher,
        }[test.field](test, negated=negated)

    def _id(self, test: Test, *, negated: bool) -> Search:
        ids = [UUID(value) for value in test.values if reading.is_id(value)]
        condition = Q(pk__in=ids)
        return _either_way(condition, [Branch("", condition)], negated=negated)

    def _source(self, test: Test, *, negated: bool) -> Search:
        branches = _by_value("run_list_by_resource", "resource_id", test.values)
        return _either_way(Q(resource_id__in=test.values), branches, negated=negated)

    def _status(self, test: Test, *, negated: bool) -> Search:
        words: set[str | None] = {value.upper() for value in test.values} or {None}
        every = {*COMPLETION.values()}
        if not words <= every:
            listed = ", ".join(sorted(word for word in every if word))
            raise illegal_value(
                f"filters is not valid at position {test.at}: completionStatus is one of {listed}."
            )
        if negated:
            words = every - words
        branches = [UNFINISHED] if None in words else []
        for state in State:
            wanted = _wanted(state, words)
            if wanted is not None:
                where = Q(_literally(FINAL), state=state) & wanted
                branches.append(Branch("run_list_ended", where))
        condition = Q(pk__in=[])
        for state in FINAL:
            wanted = _wanted(state, words)
            if wanted is not None:
                condition |= Q(state=state) & wanted
        if None in words:
            condition |= Q(state__in=_UNFINISHED)
        return Search(condition, _joined(branches))

    def _type(self, test: Test, *, negated: bool) -> Search:
        kinds: dict[str, list[str]] = {}
        for handler in registry.all_handlers():
            kinds.setdefault(kind(handler.task_type), []).append(handler.task_type)
        types: list[str] = []
        doors: list[Q] = []
        for value in (value.upper() for value in test.values):
            if value in kinds:
                types += kinds[value]
            elif value == QUEUED_TASK:
                doors.append(~Q(origin__in=[*TYPES]))
            elif value in TYPES.values():
                doors.append(Q(origin__in=[door for door, word in TYPES.items() if word == value]))
            else:
                raise illegal_value(
                    f"filters is not valid at position {test.at}: there is no type "
                    f'"{value[:50]}"; it is the kind of task, as {min(kinds)}.'
                )
        condition = reduce(or_, doors, Q(task_type__in=types))
        branches = None if doors else _by_value("run_list_by_type", "task_type", types)
        return _either_way(condition, branches, negated=negated)

    def _launcher(self, test: Test, *, negated: bool) -> Search:
        names = [value.lower() for value in test.values]
        users = get_user_model().objects.annotate(lower=Lower("username"))
        # Whoever is no member any more is found by the very name: there is an index of that.
        owners = [
            *users.filter(
                Q(username__in=test.values)
                | Q(lower__in=names, memberships__account_id=self._actor.account.pk)
            )
            .values_list("pk", flat=True)
            .distinct()
        ]
        condition = Q(owner_id__in=owners)
        branches = _by_value("run_list_by_owner", "owner_id", owners)
        if SYSTEM in names:
            condition |= Q(owner__isnull=True)
            branches.append(Branch("run_list_by_owner", Q(owner__isnull=True)))
        return _either_way(condition, branches, negated=negated)


def _wanted(state: State, words: set[str | None]) -> Q | None:
    """Return what else a finished state must be to have one of the words; None: it has none."""
    if state not in FINAL:
        return None
    if state == State.FAILED:
        if {ERROR, TEMPERROR} <= words:
            return Q()
        if words & {ERROR, TEMPERROR}:
            return Q(temporary=TEMPERROR in words)
        return None
    return Q() if COMPLETION[state] in words else None


def _by_value(index: str, column: str, values: Iterable[Any]) -> list[Branch]:
    distinct = [*dict.fromkeys(values)]
    if len(distinct) > _MOST_BRANCHES:
        return [Branch(index, Q(**{f"{column}__in": distinct}))]
    return [Branch(index, Q(**{column: value})) for value in distinct]


def _either_way(condition: Q, branches: list[Branch] | None, *, negated: bool) -> Search:
    if negated:
        return Search(~condition, Branch(_LIST, ~condition))
    return Search(condition, Branch(_LIST, condition) if branches is None else _joined(branches))


def _joined(branches: list[Branch]) -> _Cover:
    return branches[0] if len(branches) == 1 else _Union(tuple(branches))
