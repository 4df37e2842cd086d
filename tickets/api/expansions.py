"""
Rows of a page as JSON, with what `$expand` asks for.

Each expansion costs one query, however many rows there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from backgroundtasks.api import kit
from tickets.api import lookup, representations

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

    from tickets.models import (
        AutomatedTest,
        AutomatedTestAssignment,
        AutomatedTestRun,
        ExecutionPackage,
        Project,
    )

_M = TypeVar("_M", bound="Model")
#: Rows of a page -> one list or object for each of them, by primary key.
_Found = dict["UUID", Any]


def projects(request: Request, rows: Sequence[Project]) -> list[dict[str, Any]]:
    """Return projects; expansion `ExecutionPackages`."""
    expands = kit.expansions(request, representations.PROJECT_EXPANDS)
    found: dict[str, _Found] = {}
    if "ExecutionPackages" in expands:
        packages = lookup.packages(lookup.actor(request)).order_by("order_number", "name", "pk")
        found["ExecutionPackages"] = _many(
            packages, "project_id", rows, lambda row: representations.package(request, row)
        )
    return [representations.project(request, row, **_of(row, found)) for row in rows]


def packages(request: Request, rows: Sequence[ExecutionPackage]) -> list[dict[str, Any]]:
    """Return execution packages; expansions `Children`, `Parent`, `Project`, `AutomatedTestAssignments`."""
    expands = kit.expansions(request, representations.PACKAGE_EXPANDS)
    actor = lookup.actor(request)
    found: dict[str, _Found] = {}
    if "Children" in expands:
        children = lookup.packages(actor).order_by("order_number", "name", "pk")
        found["Children"] = _many(
            children, "parent_id", rows, lambda row: representations.package(request, row)
        )
    if "Parent" in expands:
        found["Parent"] = _one(
            lookup.packages(actor),
            {row.pk: row.parent_id for row in rows},
            lambda row: representations.package(request, row),
        )
    if "Project" in expands:
        found["Project"] = _projects(request, rows)
    if "AutomatedTestAssignments" in expands:
        assignments = lookup.assignments(actor).order_by("created_at", "pk")
        found["AutomatedTestAssignments"] = _many(
            assignments, "package_id", rows, lambda row: representations.assignment(request, row)
        )
    return [representations.package(request, row, **_of(row, found)) for row in rows]


def automated_tests(request: Request, rows: Sequence[AutomatedTest]) -> list[dict[str, Any]]:
    """Return automated tests; expansions `Project` and `Package`."""
    expands = kit.expansions(request, representations.TEST_EXPANDS)
    found: dict[str, _Found] = {}
    if "Project" in expands:
        found["Project"] = _projects(request, rows)
    if "Package" in expands:
        found["Package"] = _packages(request, rows)
    return [representations.automated_test(request, row, **_of(row, found)) for row in rows]


def assignments(request: Request, rows: Sequence[AutomatedTestAssignment]) -> list[dict[str, Any]]:
    """Return assignments; expansions `Runs`, `Package`, `Totals` (of the last run), `AutomatedTest`."""
    expands = kit.expansions(request, representations.ASSIGNMENT_EXPANDS)
    actor = lookup.actor(request)
    found: dict[str, _Found] = {}
    if "Runs" in expands:
        runs = lookup.runs(actor).order_by("-imported_at", "pk")
        found["Runs"] = _many(
            runs, "assignment_id", rows, lambda row: representations.run(request, row)
        )
    if "Package" in expands:
        found["Package"] = _packages(request, rows)
    if "Totals" in expands:
        last = {row.pk: getattr(row, "last_run_id", None) for row in rows}
        found["Totals"] = _one(lookup.runs(actor), last, representations.totals)
    if "AutomatedTest" in expands:
        found["AutomatedTest"] = {
            row.pk: representations.automated_test(request, row.automated_test) for row in rows
        }
    return [representations.assignment(request, row, **_of(row, found)) for row in rows]


def runs(request: Request, rows: Sequence[AutomatedTestRun]) -> list[dict[str, Any]]:
    """Return runs; expansions `Totals` and `Assignment`."""
    expands = kit.expansions(request, representations.RUN_EXPANDS)
    found: dict[str, _Found] = {}
    if "Totals" in expands:
        found["Totals"] = {row.pk: representations.totals(row) for row in rows}
    if "Assignment" in expands:
        found["Assignment"] = _one(
            lookup.assignments(lookup.actor(request)),
            {row.pk: row.assignment_id for row in rows},
            lambda row: representations.assignment(request, row),
        )
    return [representations.run(request, row, **_of(row, found)) for row in rows]


def _projects(request: Request, rows: Iterable[Any]) -> _Found:
    return _one(
        lookup.projects(lookup.actor(request)),
        {row.pk: row.project_id for row in rows},
        lambda row: representations.project(request, row),
    )


def _packages(request: Request, rows: Iterable[Any]) -> _Found:
    return _one(
        lookup.packages(lookup.actor(request)),
        {row.pk: row.package_id for row in rows},
        lambda row: representations.package(request, row),
    )


def _many(
    others: QuerySet[_M], path: str, rows: Iterable[Model], represent: Callable[[_M], Any]
) -> _Found:
    """Return the rows of `others` that point at each of `rows`."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for other in others.filter(**{f"{path}__in": [row.pk for row in rows]}):
        found[getattr(other, path)].append(represent(other))
    return {row.pk: found[row.pk] for row in rows}


def _one(
    others: QuerySet[_M], wanted: dict[Any, UUID | None], represent: Callable[[_M], Any]
) -> _Found:
    """Return the row of `others` that each of `rows` points at; None where it points at none."""
    ids = {identity for identity in wanted.values() if identity is not None}
    found = {other.pk: represent(other) for other in others.filter(pk__in=ids)}
    return {pk: found.get(identity) for pk, identity in wanted.items()}


def _of(row: Model, found: dict[str, _Found]) -> dict[str, Any]:
    return {name: values[row.pk] for name, values in found.items()}
