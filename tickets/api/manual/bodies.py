"""
Scripts, their assignments, runs and steps, and agile runs as JSON, with what `$expand` asks for.

Each expansion costs one query, however many rows there are.
Source: contract `enterprise_tester.md`, sections 3.3 and 3.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets.api import custom_fields, expanding, lookup, representations
from tickets.api.attachments import bodies as attachments
from tickets.api.incidents import link_bodies
from tickets.api.picklists import item, picked
from tickets.models import FieldOf, StepResultIncident

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest
    from rest_framework.request import Request

    from tickets.models import (
        AgileRun,
        AgileRunStep,
        Script,
        ScriptAssignment,
        ScriptRun,
        StepResult,
    )

SCRIPT_EXPANDS: Final = ("Project", "Assignments")
ASSIGNMENT_EXPANDS: Final = ("Package", "Runs", "LastRun", "Script")
RUN_EXPANDS: Final = ("StepResults", "Assignment", *custom_fields.EXPANDS)
STEP_EXPANDS: Final = ("Run", "Attachments", "Incidents")
AGILE_EXPANDS: Final = (*custom_fields.EXPANDS, "Steps", "Project", "Status", "Priority", "Type")
_PICKED: Final = {"Status": "status", "Priority": "priority", "Type": "type"}


def script(request: HttpRequest, row: Script, **expanded: Any) -> dict[str, Any]:
    """Return a script with its steps."""
    return {
        "Id": row.pk,
        "Name": row.name,
        "Description": row.description,
        "ProjectId": row.project_id,
        "Version": row.version,
        "Steps": [
            {
                "Description": step.get("description"),
                "Data": step.get("data"),
                "Notes": step.get("notes"),
                "ExpectedResult": step.get("expected_result"),
                "OrderNumber": number,
            }
            for number, step in enumerate(row.steps)
        ],
        **representations.tail(SCRIPT_EXPANDS, expanded),
        "Self": kit.by_id(request, "script", row.pk),
        "Links": [
            representations.rel("Assignments", kit.by_id(request, "script-assignments", row.pk)),
            *representations.relationships(request, "script", row.pk),
        ],
    }


def assignment(request: HttpRequest, row: ScriptAssignment, **expanded: Any) -> dict[str, Any]:
    """Return a script's assignment; its name is its script's, its status its last run's."""
    return {
        "Id": row.pk,
        "ScriptId": row.script_id,
        "Name": row.script.name,
        "Status": getattr(row, "last_status", None) or representations.NOT_RUN,
        "AssignedTo": representations.login(row.assigned_to),
        "AssignedToId": representations.user_id(row.assigned_to),
        "PackageId": row.package_id,
        **representations.tail(ASSIGNMENT_EXPANDS, expanded),
        "Self": kit.by_id(request, "scriptassignment", row.pk),
        "Links": [
            representations.rel("Runs", kit.by_id(request, "scriptassignment-runs", row.pk)),
            *representations.relationships(request, "scriptassignment", row.pk),
        ],
    }


def run(request: HttpRequest, row: ScriptRun, **expanded: Any) -> dict[str, Any]:
    """Return the run of a script."""
    return {
        "Id": row.pk,
        "ActualDuration": row.actual_duration,
        "ScriptId": row.assignment.script_id,
        "ScriptVersion": row.script_version,
        "AssignmentId": row.assignment_id,
        "CreatedAt": row.created_at,
        "LastUpdatedAt": row.updated_at,
        "CreatedById": representations.user_id(row.created_by),
        "CreatedBy": representations.login(row.created_by),
        "RunById": representations.user_id(row.run_by),
        "RunBy": representations.login(row.run_by),
        "LastUpdatedById": representations.user_id(row.last_updated_by),
        "LastUpdatedBy": representations.login(row.last_updated_by),
        "Status": row.status,
        "Completed": row.completed,
        **representations.tail(RUN_EXPANDS, expanded),
        "Self": kit.by_id(request, "scriptrun", row.pk),
        "Links": [
            representations.rel(
                "Assignment", kit.by_id(request, "scriptassignment", row.assignment_id)
            )
        ],
    }


def step_result(request: HttpRequest, row: StepResult, **expanded: Any) -> dict[str, Any]:
    """Return the result of a script's step."""
    return {
        "RunId": row.run_id,
        "Id": row.pk,
        "Description": row.description,
        "Data": row.data,
        "Notes": row.notes,
        "ExpectedResult": row.expected_result,
        "ActualResult": row.actual_result,
        "Outcome": row.outcome,
        "HasIncidents": bool(getattr(row, "has_incidents", False)),
        "HasAttachments": bool(getattr(row, "has_attachments", False)),
        **representations.tail(STEP_EXPANDS, expanded),
        "Self": kit.by_id(request, "stepresult", row.pk),
        "Links": [
            representations.rel("Incidents", kit.by_id(request, "stepresult-incidents", row.pk)),
            representations.rel(
                "Attachments", kit.by_id(request, "stepresult-attachments", row.pk)
            ),
        ],
    }


def agile_run(request: HttpRequest, row: AgileRun, **expanded: Any) -> dict[str, Any]:
    """Return an agile run."""
    return {
        "Id": row.pk,
        "AssignedToId": representations.user_id(row.assigned_to),
        "AssignedTo": representations.login(row.assigned_to),
        "Description": row.description,
        "Name": row.name,
        "Notes": row.notes,
        "Number": row.number,
        "Objective": row.objective,
        "PostCondition": row.post_condition,
        "PreCondition": row.pre_condition,
        "PriorityId": row.priority_id,
        "StatusId": row.status_id,
        "TypeId": row.type_id,
        "SourceId": None,
        "SourceContainerId": None,
        "PackageId": row.package_id,
        "OrderNumber": row.order_number,
        "ProjectId": row.project_id,
        "ProjectName": row.project.name,
        "PackageName": row.package.name,
        "EstimatedDuration": row.estimated_duration,
        "ActualDuration": row.actual_duration,
        "ExecutionStatus": row.execution_status,
        "AgileRunNumberReadOnly": True,
        **representations.tail(AGILE_EXPANDS, expanded),
        "Self": kit.by_id(request, "agilerun", row.pk),
    }


def agile_step(row: AgileRunStep) -> dict[str, Any]:
    """Return a step of an agile run; it has no resource of its own."""
    return {
        "Description": row.description,
        "ExpectedResult": row.expected_result,
        "Notes": row.notes,
        "Data": row.data,
        "OrderNumber": row.position,
        "ActualResult": row.actual_result,
        "Result": row.result,
        "Id": row.pk,
        "HasIncidents": bool(getattr(row, "has_incidents", False)),
        "HasAttachments": bool(getattr(row, "has_attachments", False)),
    }


def scripts(request: Request, rows: Sequence[Script]) -> list[dict[str, Any]]:
    """Return scripts; expansions `Project` and `Assignments`."""
    expands = kit.expansions(request, SCRIPT_EXPANDS)
    found: dict[str, expanding.Found] = {}
    if "Project" in expands:
        found["Project"] = expanding.projects_of(request, rows)
    if "Assignments" in expands:
        others = lookup.script_assignments(lookup.actor(request)).order_by("created_at", "pk")
        found["Assignments"] = expanding.many(
            others, "script_id", rows, lambda row: assignment(request, row)
        )
    return [script(request, row, **expanding.of_row(row, found)) for row in rows]


def assignments(request: Request, rows: Sequence[ScriptAssignment]) -> list[dict[str, Any]]:
    """Return script assignments; expansions `Package`, `Runs`, `LastRun`, `Script`."""
    expands = kit.expansions(request, ASSIGNMENT_EXPANDS)
    runs_seen = lookup.script_runs(lookup.actor(request))
    found: dict[str, expanding.Found] = {}
    if "Package" in expands:
        found["Package"] = expanding.packages_of(request, rows)
    if "Runs" in expands:
        found["Runs"] = expanding.many(
            runs_seen.order_by("-created_at", "pk"),
            "assignment_id",
            rows,
            lambda row: run(request, row),
        )
    if "LastRun" in expands:
        last = {row.pk: getattr(row, "last_run_id", None) for row in rows}
        found["LastRun"] = expanding.one(runs_seen, last, lambda row: run(request, row))
    if "Script" in expands:
        found["Script"] = {row.pk: script(request, row.script) for row in rows}
    return [assignment(request, row, **expanding.of_row(row, found)) for row in rows]


def runs(request: Request, rows: Sequence[ScriptRun]) -> list[dict[str, Any]]:
    """Return script runs; expansions `StepResults`, `Assignment`, `Widgets`, `FieldValues`."""
    expands = kit.expansions(request, RUN_EXPANDS)
    actor = lookup.actor(request)
    found = custom_fields.expanded(
        request,
        rows,
        expands,
        FieldOf.SCRIPT_RUN,
        lambda row: row.assignment.script.project_id,
    )
    if "StepResults" in expands:
        found["StepResults"] = expanding.many(
            lookup.step_results(actor).order_by("position"),
            "run_id",
            rows,
            lambda row: step_result(request, row),
        )
    if "Assignment" in expands:
        found["Assignment"] = expanding.one(
            lookup.script_assignments(actor),
            {row.pk: row.assignment_id for row in rows},
            lambda row: assignment(request, row),
        )
    return [run(request, row, **expanding.of_row(row, found)) for row in rows]


def step_results(request: Request, rows: Sequence[StepResult]) -> list[dict[str, Any]]:
    """Return step results; expansions `Run`, `Attachments` and `Incidents`."""
    expands = kit.expansions(request, STEP_EXPANDS)
    found: dict[str, expanding.Found] = {}
    if "Run" in expands:
        found["Run"] = expanding.one(
            lookup.script_runs(lookup.actor(request)),
            {row.pk: row.run_id for row in rows},
            lambda row: run(request, row),
        )
    if "Attachments" in expands:
        found["Attachments"] = expanding.many(
            lookup.attachments(lookup.actor(request)).order_by("created_at", "pk"),
            "step_result_id",
            rows,
            lambda row: attachments.body(request, row),
        )
    if "Incidents" in expands:
        found["Incidents"] = expanding.many(
            StepResultIncident.objects.order_by("created_at", "pk"),
            "step_result_id",
            rows,
            lambda row: link_bodies.step_result(request, row),
        )
    return [step_result(request, row, **expanding.of_row(row, found)) for row in rows]


def agile_runs(request: Request, rows: Sequence[AgileRun]) -> list[dict[str, Any]]:
    """Return agile runs with what `AGILE_EXPANDS` names."""
    expands = kit.expansions(request, AGILE_EXPANDS)
    found = custom_fields.expanded(request, rows, expands, FieldOf.AGILE_RUN)
    if "Steps" in expands:
        found["Steps"] = expanding.many(
            lookup.agile_steps(lookup.actor(request)).order_by("position", "pk"),
            "run_id",
            rows,
            agile_step,
        )
    if "Project" in expands:
        found["Project"] = expanding.projects_of(request, rows)
    found.update(picked(rows, {name: _PICKED[name] for name in _PICKED if name in expands}, item))
    return [agile_run(request, row, **expanding.of_row(row, found)) for row in rows]
