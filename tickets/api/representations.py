"""
Entities as JSON, under the vendor's names: null where a value is empty, absent where none applies.

Each function takes the row with what its `lookup` query joins, and the expansions that were
asked for, by name; what was not asked for stays listed in `Expands`.

Source: contract `enterprise_tester.md`, sections 3.1, 3.2 and 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from backgroundtasks.models import Account
    from tickets.models import (
        AutomatedTest,
        AutomatedTestAssignment,
        AutomatedTestRun,
        ExecutionPackage,
        Project,
        ResultNode,
    )

PROJECT_EXPANDS: Final = (
    "Statuses",
    "Priorities",
    "TestTypes",
    "IncidentTypes",
    "IncidentStatuses",
    "IncidentResolutions",
    "Versions",
    "Components",
    "ExecutionPackages",
    "ExternalSystemLinks",
    "Widgets",
)
PACKAGE_EXPANDS: Final = (
    "Children",
    "Parent",
    "Project",
    "AutomatedTestAssignments",
    "ScriptAssignments",
    "AgileRuns",
)
TEST_EXPANDS: Final = ("Project", "Package")
ASSIGNMENT_EXPANDS: Final = ("Runs", "Package", "Totals", "AutomatedTest")
RUN_EXPANDS: Final = ("Totals", "Assignment")
NODE_EXPANDS: Final = ("Metadata", "Parameters", "Children")

#: Of an assignment without results.
NOT_RUN: Final = "Not Run"


def organisation(request: HttpRequest, row: Account) -> dict[str, Any]:
    """Return an organisation: the account."""
    return {
        "Id": row.pk,
        "Name": row.name,
        "Expands": [],
        "Self": kit.by_id(request, "organisation", row.pk),
        "Links": [rel("Projects", kit.link(request, "projects"))],
    }


def project(request: HttpRequest, row: Project, **expanded: Any) -> dict[str, Any]:
    """Return a project."""
    return {
        "Id": row.pk,
        "Name": row.name,
        "OrganisationId": row.account_id,
        "OrganisationName": row.account.name,
        "ProjectCategoryId": None,
        "ProjectCategoryName": None,
        "Description": row.description,
        "EstimatedEndDate": row.estimated_end_date,
        "ManagerId": user_id(row.manager),
        "ManagerUserName": login(row.manager),
        "Slug": row.slug,
        "AutoNumberRequirements": row.auto_number_requirements,
        "AutoNumberScripts": row.auto_number_scripts,
        "Independent": row.independent,
        "RequirementNumberReadOnly": row.requirement_number_read_only,
        "ScriptNumberReadOnly": row.script_number_read_only,
        "OrderNumber": row.order_number,
        "StartDate": row.start_date,
        "ProjectTypeId": None,
        **tail(PROJECT_EXPANDS, expanded),
        "Self": kit.by_id(request, "project", row.pk),
    }


def package(request: HttpRequest, row: ExecutionPackage, **expanded: Any) -> dict[str, Any]:
    """Return an execution package."""
    return {
        "Id": row.pk,
        "ParentId": row.parent_id,
        "ProjectId": row.project_id,
        "Name": row.name,
        "Stereotype": row.stereotype,
        "OrderNumber": row.order_number,
        **tail(PACKAGE_EXPANDS, expanded),
        "Self": kit.by_id(request, "executionpackage", row.pk),
        "Links": [rel("Children", kit.by_id(request, "executionpackage-children", row.pk))],
    }


def automated_test(request: HttpRequest, row: AutomatedTest, **expanded: Any) -> dict[str, Any]:
    """Return an automated test."""
    return {
        "Id": row.pk,
        "Name": row.name,
        "ProjectId": row.project_id,
        "PackageId": row.package_id,
        "Type": row.type,
        "Configuration": row.configuration,
        **tail(TEST_EXPANDS, expanded),
        "Self": kit.by_id(request, "automatedtest", row.pk),
    }


def assignment(
    request: HttpRequest, row: AutomatedTestAssignment, **expanded: Any
) -> dict[str, Any]:
    """Return an assignment; its name is its test's, its status its last run's."""
    return {
        "Id": row.pk,
        "AutomatedTestId": row.automated_test_id,
        "Name": row.automated_test.name,
        "Status": getattr(row, "last_status", None) or NOT_RUN,
        "AssignedTo": login(row.assigned_to),
        "AssignedToId": user_id(row.assigned_to),
        "PackageId": row.package_id,
        **tail(ASSIGNMENT_EXPANDS, expanded),
        "Self": kit.by_id(request, "automatedtestassignment", row.pk),
        "Links": [
            rel("Runs", kit.by_id(request, "automatedtestassignment-runs", row.pk)),
            *relationships(request, "automatedtestassignment", row.pk),
        ],
    }


def run(request: HttpRequest, row: AutomatedTestRun, **expanded: Any) -> dict[str, Any]:
    """Return the run of an automated test."""
    user = row.run_by
    return {
        "RunByDisplayName": (user.get_full_name() or user.get_username()) if user else None,
        "RunBy": login(user),
        "RunById": user_id(user),
        "AssignmentId": row.assignment_id,
        "Id": row.pk,
        "Status": row.status,
        "ImportedAt": row.imported_at,
        "StartedAt": row.started_at,
        "FinishedAt": row.finished_at,
        **tail(RUN_EXPANDS, expanded),
        "Self": kit.by_id(request, "automatedtestrun", row.pk),
        "Links": [
            rel("Nodes", kit.by_id(request, "automatedtestrun-nodes", row.pk)),
            rel("Attachments", kit.by_id(request, "automatedtestrun-attachments", row.pk)),
        ],
    }


def totals(row: AutomatedTestRun) -> dict[str, int]:
    """Return a run's totals; reports of JUnit know nothing of the last four kinds."""
    return {
        "Errors": row.errors,
        "Failed": row.failed,
        "Passed": row.passed,
        "Skipped": row.skipped,
        "Warnings": row.warnings,
        "TotalNodes": row.total_nodes,
        "TotalResults": row.total_results,
        "Iterations": 0,
        "NotRun": 0,
        "Done": 0,
        "Infos": 0,
    }


def node(request: HttpRequest, row: ResultNode, expands: frozenset[str]) -> dict[str, Any]:
    """
    Return a result node.

    `Children` of the expansions are not put in here, since there may be many: they go last,
    as they are read.
    """
    expanded: dict[str, Any] = {}
    if "Metadata" in expands:
        metadata = row.metadata or {}
        expanded["Metadata"] = (
            {"classname": row.class_name, **metadata} if row.class_name else metadata
        )
    if "Parameters" in expands:
        expanded["Parameters"] = row.parameters or {}
    return {
        "HasAttachments": bool(getattr(row, "has_attachments", False)),
        "HasIncidents": bool(getattr(row, "has_incidents", False)),
        "HasChildren": row.has_children,
        "Id": row.pk,
        "Name": row.name,
        "Description": row.description,
        "Notes": row.notes,
        "Status": row.status,
        "Iteration": 1,
        "StartedAt": row.started_at,
        "FinishedAt": row.finished_at,
        "DurationInSeconds": row.duration_seconds,
        "Expands": kit.unexpanded(NODE_EXPANDS, expands),
        **expanded,
        "Self": kit.link(request, "automatedtestrun-node", run_id=row.run_id, node_id=row.pk),
        "Links": [
            rel(
                "Children",
                kit.link(
                    request, "automatedtestrun-node-children", run_id=row.run_id, node_id=row.pk
                ),
            )
        ],
    }


def relationships(request: HttpRequest, path: str, identity: object) -> list[dict[str, str]]:
    """Return the links to what an entity is related to."""
    return [
        rel("Relationships", kit.by_id(request, f"{path}-relationships", identity)),
        rel("AllRelationships", kit.by_id(request, f"{path}-allrelationships", identity)),
    ]


def tail(known: Sequence[str], expanded: dict[str, Any]) -> dict[str, Any]:
    return {"Expands": kit.unexpanded(known, expanded), **expanded}


def rel(rel: str, href: str) -> dict[str, str]:
    return {"Href": href, "Rel": rel}


def login(user: User | None) -> str | None:
    return user.get_username() if user else None


def user_id(user: User | None) -> str | None:
    return str(user.pk) if user else None
