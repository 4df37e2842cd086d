"""
Rows of a page as JSON, with what `$expand` asks for.

Each expansion costs one query, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backgroundtasks.api import kit
from tickets.api import custom_fields, lookup, picklists, representations
from tickets.api.expanding import Found, many, of_row, one, packages_of, projects_of
from tickets.api.manual import bodies as manual
from tickets.api.systems import bodies as systems

if TYPE_CHECKING:
    from rest_framework.request import Request

    from tickets.models import (
        AutomatedTest,
        AutomatedTestAssignment,
        AutomatedTestRun,
        ExecutionPackage,
        Project,
    )


def projects(request: Request, rows: Sequence[Project]) -> list[dict[str, Any]]:
    """Return projects; expansions: their picklists, `ExecutionPackages`, `ExternalSystemLinks`."""
    expands = kit.expansions(request, representations.PROJECT_EXPANDS)
    actor = lookup.actor(request)
    found = picklists.of_projects(rows, expands)
    if "ExternalSystemLinks" in expands:
        found["ExternalSystemLinks"] = many(
            lookup.external_system_links(actor).order_by("name", "pk"),
            "project_id",
            rows,
            lambda row: systems.link(request, row),
        )
    if "Widgets" in expands:
        found["Widgets"] = custom_fields.of_projects(request, rows)
    if "ExecutionPackages" in expands:
        packages = lookup.packages(actor).order_by("order_number", "name", "pk")
        found["ExecutionPackages"] = many(
            packages, "project_id", rows, lambda row: representations.package(request, row)
        )
    return [representations.project(request, row, **of_row(row, found)) for row in rows]


def packages(request: Request, rows: Sequence[ExecutionPackage]) -> list[dict[str, Any]]:
    """Return execution packages; expansions: what is around them and in them."""
    expands = kit.expansions(request, representations.PACKAGE_EXPANDS)
    actor = lookup.actor(request)
    found: dict[str, Found] = {}
    if "Children" in expands:
        children = lookup.packages(actor).order_by("order_number", "name", "pk")
        found["Children"] = many(
            children, "parent_id", rows, lambda row: representations.package(request, row)
        )
    if "Parent" in expands:
        found["Parent"] = one(
            lookup.packages(actor),
            {row.pk: row.parent_id for row in rows},
            lambda row: representations.package(request, row),
        )
    if "Project" in expands:
        found["Project"] = projects_of(request, rows)
    if "AutomatedTestAssignments" in expands:
        assignments = lookup.assignments(actor).order_by("created_at", "pk")
        found["AutomatedTestAssignments"] = many(
            assignments, "package_id", rows, lambda row: representations.assignment(request, row)
        )
    if "ScriptAssignments" in expands:
        found["ScriptAssignments"] = many(
            lookup.script_assignments(actor).order_by("created_at", "pk"),
            "package_id",
            rows,
            lambda row: manual.assignment(request, row),
        )
    if "AgileRuns" in expands:
        found["AgileRuns"] = many(
            lookup.agile_runs(actor).order_by("order_number", "name", "pk"),
            "package_id",
            rows,
            lambda row: manual.agile_run(request, row),
        )
    return [representations.package(request, row, **of_row(row, found)) for row in rows]


def automated_tests(request: Request, rows: Sequence[AutomatedTest]) -> list[dict[str, Any]]:
    """Return automated tests; expansions `Project` and `Package`."""
    expands = kit.expansions(request, representations.TEST_EXPANDS)
    found: dict[str, Found] = {}
    if "Project" in expands:
        found["Project"] = projects_of(request, rows)
    if "Package" in expands:
        found["Package"] = packages_of(request, rows)
    return [representations.automated_test(request, row, **of_row(row, found)) for row in rows]


def assignments(request: Request, rows: Sequence[AutomatedTestAssignment]) -> list[dict[str, Any]]:
    """Return assignments; expansions `Runs`, `Package`, `Totals` (of the last run), `AutomatedTest`."""
    expands = kit.expansions(request, representations.ASSIGNMENT_EXPANDS)
    actor = lookup.actor(request)
    found: dict[str, Found] = {}
    if "Runs" in expands:
        runs = lookup.runs(actor).order_by("-imported_at", "pk")
        found["Runs"] = many(
            runs, "assignment_id", rows, lambda row: representations.run(request, row)
        )
    if "Package" in expands:
        found["Package"] = packages_of(request, rows)
    if "Totals" in expands:
        last = {row.pk: getattr(row, "last_run_id", None) for row in rows}
        found["Totals"] = one(lookup.runs(actor), last, representations.totals)
    if "AutomatedTest" in expands:
        found["AutomatedTest"] = {
            row.pk: representations.automated_test(request, row.automated_test) for row in rows
        }
    return [representations.assignment(request, row, **of_row(row, found)) for row in rows]


def runs(request: Request, rows: Sequence[AutomatedTestRun]) -> list[dict[str, Any]]:
    """Return runs; expansions `Totals` and `Assignment`."""
    expands = kit.expansions(request, representations.RUN_EXPANDS)
    found: dict[str, Found] = {}
    if "Totals" in expands:
        found["Totals"] = {row.pk: representations.totals(row) for row in rows}
    if "Assignment" in expands:
        found["Assignment"] = one(
            lookup.assignments(lookup.actor(request)),
            {row.pk: row.assignment_id for row in rows},
            lambda row: representations.assignment(request, row),
        )
    return [representations.run(request, row, **of_row(row, found)) for row in rows]
