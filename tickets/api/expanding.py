"""
What `$expand` adds to the rows of a page, by a constant number of queries.

Each expansion costs one query, however many rows there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from tickets.api import lookup, representations

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

_M = TypeVar("_M", bound="Model")
#: Rows of a page -> one list or object for each of them, by primary key.
Found = dict["UUID", Any]


def projects_of(request: Request, rows: Iterable[Any]) -> Found:
    """Return the project of each row."""
    return one(
        lookup.projects(lookup.actor(request)),
        {row.pk: row.project_id for row in rows},
        lambda row: representations.project(request, row),
    )


def packages_of(request: Request, rows: Iterable[Any]) -> Found:
    """Return the execution package of each row."""
    return one(
        lookup.packages(lookup.actor(request)),
        {row.pk: row.package_id for row in rows},
        lambda row: representations.package(request, row),
    )


def many(
    others: QuerySet[_M], path: str, rows: Iterable[Model], represent: Callable[[_M], Any]
) -> Found:
    """Return the rows of `others` that point at each of `rows`."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for other in others.filter(**{f"{path}__in": [row.pk for row in rows]}):
        found[getattr(other, path)].append(represent(other))
    return {row.pk: found[row.pk] for row in rows}


def one(
    others: QuerySet[_M], wanted: dict[Any, UUID | None], represent: Callable[[_M], Any]
) -> Found:
    """Return the row of `others` that each of `rows` points at; None where it points at none."""
    ids = {identity for identity in wanted.values() if identity is not None}
    found = {other.pk: represent(other) for other in others.filter(pk__in=ids)}
    return {pk: found.get(identity) for pk, identity in wanted.items()}


def of_row(row: Model, found: dict[str, Found]) -> dict[str, Any]:
    """Return the expansions of one row, by their names."""
    return {name: values[row.pk] for name, values in found.items()}
