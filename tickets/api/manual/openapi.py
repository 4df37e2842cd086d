"""The resources of manual tests, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Final

from backgroundtasks.api import kit
from tickets.api.describing import (
    COLLECTION,
    FIELDS,
    LINKS,
    SEARCHABLE,
    TEXT_OR_NULL,
    expandable,
    or_null,
)
from tickets.api.manual import bodies
from tickets.api.manual.agile_runs import AgileRunById, AgileRuns
from tickets.api.manual.assignments import (
    AssignmentsOfScript,
    ScriptAssignmentById,
    ScriptAssignments,
)
from tickets.api.manual.runs import ScriptAssignmentRuns, ScriptRunById, ScriptRuns, StepResultById
from tickets.api.manual.scripts import ScriptById, Scripts
from tickets.api.manual.serializers import (
    AgileRunChange,
    AgileRunWrite,
    AssignmentOfScript,
    DurationChange,
    ScriptAssignmentChange,
    ScriptAssignmentWrite,
    ScriptChange,
    ScriptRunChange,
    ScriptWrite,
)
from tickets.models import Outcome

_OUTCOME: Final = {"type": "string", "enum": [*Outcome.values]}
_EXPAND: Final = (kit.EXPAND,)

kit.component(
    "ScriptStep",
    kit.entity(
        {
            "Description": TEXT_OR_NULL,
            "Data": TEXT_OR_NULL,
            "Notes": TEXT_OR_NULL,
            "ExpectedResult": TEXT_OR_NULL,
            "OrderNumber": kit.COUNT,
        }
    ),
)
kit.component(
    "Script",
    kit.entity(
        {
            "Id": kit.GUID,
            "Name": kit.TEXT,
            "Description": TEXT_OR_NULL,
            "ProjectId": kit.GUID,
            "Version": {**kit.COUNT, "description": "Raised by every change of the steps."},
            "Steps": kit.array_of(kit.ref("ScriptStep")),
            "Expands": expandable(bodies.SCRIPT_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Project": kit.ref("Project"),
            "Assignments": kit.array_of(kit.ref("ScriptAssignment")),
        },
    ),
)
kit.component(
    "ScriptAssignment",
    kit.entity(
        {
            "Id": kit.GUID,
            "ScriptId": kit.GUID,
            "Name": {**kit.TEXT, "description": "Its script's."},
            "Status": {**kit.TEXT, "description": "Its last run's, or `Not Run`."},
            "AssignedTo": TEXT_OR_NULL,
            "AssignedToId": TEXT_OR_NULL,
            "PackageId": kit.GUID,
            "Expands": expandable(bodies.ASSIGNMENT_EXPANDS),
            "Self": kit.URL,
            "Links": {**LINKS, "description": "A POST to `Runs` begins a run."},
        },
        optional={
            "Package": kit.ref("ExecutionPackage"),
            "Runs": kit.array_of(kit.ref("ScriptRun")),
            "LastRun": or_null("ScriptRun"),
            "Script": kit.ref("Script"),
        },
    ),
)
kit.component(
    "ScriptRun",
    kit.entity(
        {
            "Id": kit.GUID,
            "ActualDuration": TEXT_OR_NULL,
            "ScriptId": kit.GUID,
            "ScriptVersion": kit.COUNT,
            "AssignmentId": kit.GUID,
            "CreatedAt": kit.MOMENT,
            "LastUpdatedAt": kit.MOMENT,
            "CreatedById": TEXT_OR_NULL,
            "CreatedBy": TEXT_OR_NULL,
            "RunById": TEXT_OR_NULL,
            "RunBy": TEXT_OR_NULL,
            "LastUpdatedById": TEXT_OR_NULL,
            "LastUpdatedBy": TEXT_OR_NULL,
            "Status": {**kit.TEXT, "description": "`Not Run`, `In Progress`, `Passed`, `Failed` …"},
            "Completed": {**kit.BOOLEAN, "description": "Its step results are frozen."},
            "Expands": expandable(bodies.RUN_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "StepResults": kit.array_of(kit.ref("StepResult")),
            "Assignment": kit.ref("ScriptAssignment"),
            **FIELDS,
        },
    ),
)
kit.component(
    "StepResult",
    kit.entity(
        {
            "RunId": kit.GUID,
            "Id": kit.GUID,
            "Description": TEXT_OR_NULL,
            "Data": TEXT_OR_NULL,
            "Notes": TEXT_OR_NULL,
            "ExpectedResult": TEXT_OR_NULL,
            "ActualResult": TEXT_OR_NULL,
            "Outcome": _OUTCOME,
            "HasIncidents": kit.BOOLEAN,
            "HasAttachments": kit.BOOLEAN,
            "Expands": expandable(bodies.STEP_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Run": kit.ref("ScriptRun"),
            "Attachments": kit.array_of(kit.ref("StepResultAttachment")),
            "Incidents": kit.array_of(kit.ref("StepResultIncident")),
        },
    ),
)
kit.component(
    "AgileRun",
    kit.entity(
        {
            "Id": kit.GUID,
            "AssignedToId": TEXT_OR_NULL,
            "AssignedTo": TEXT_OR_NULL,
            "Description": TEXT_OR_NULL,
            "Name": kit.TEXT,
            "Notes": TEXT_OR_NULL,
            "Number": kit.COUNT,
            "Objective": TEXT_OR_NULL,
            "PostCondition": TEXT_OR_NULL,
            "PreCondition": TEXT_OR_NULL,
            "PriorityId": kit.NULLABLE_GUID,
            "StatusId": kit.NULLABLE_GUID,
            "TypeId": kit.NULLABLE_GUID,
            "SourceId": {"type": "null"},
            "SourceContainerId": {"type": "null"},
            "PackageId": kit.GUID,
            "OrderNumber": kit.WHOLE,
            "ProjectId": kit.GUID,
            "ProjectName": kit.TEXT,
            "PackageName": kit.TEXT,
            "EstimatedDuration": TEXT_OR_NULL,
            "ActualDuration": TEXT_OR_NULL,
            "ExecutionStatus": {**kit.TEXT, "description": "Of its steps: `Failed` …"},
            "AgileRunNumberReadOnly": kit.BOOLEAN,
            "Expands": expandable(bodies.AGILE_EXPANDS),
            "Self": kit.URL,
        },
        optional={
            "Steps": kit.array_of(kit.ref("AgileRunStep")),
            "Project": kit.ref("Project"),
            "Status": or_null("PicklistItem"),
            "Priority": or_null("PicklistItem"),
            "Type": or_null("PicklistItem"),
            **FIELDS,
        },
    ),
)
kit.component(
    "AgileRunStep",
    kit.entity(
        {
            "Description": TEXT_OR_NULL,
            "ExpectedResult": TEXT_OR_NULL,
            "Notes": TEXT_OR_NULL,
            "Data": TEXT_OR_NULL,
            "OrderNumber": kit.COUNT,
            "ActualResult": TEXT_OR_NULL,
            "Result": _OUTCOME,
            "Id": kit.GUID,
            "HasIncidents": kit.BOOLEAN,
            "HasAttachments": kit.BOOLEAN,
        }
    ),
)

kit.describe(Scripts, "get", {200: kit.page_of("Script")}, query=SEARCHABLE)
kit.describe(Scripts, "post", {201: kit.ref("Script")}, body=ScriptWrite)
kit.describe(ScriptById, "get", {200: kit.ref("Script")}, query=_EXPAND)
kit.describe(ScriptById, "put", {200: kit.ref("Script")}, body=ScriptChange)
kit.describe(ScriptById, "delete", {200: None})
kit.describe(AssignmentsOfScript, "get", {200: kit.page_of("ScriptAssignment")}, query=COLLECTION)
kit.describe(
    AssignmentsOfScript, "post", {201: kit.ref("ScriptAssignment")}, body=AssignmentOfScript
)

kit.describe(ScriptAssignments, "get", {200: kit.page_of("ScriptAssignment")}, query=SEARCHABLE)
kit.describe(
    ScriptAssignments, "post", {201: kit.ref("ScriptAssignment")}, body=ScriptAssignmentWrite
)
kit.describe(ScriptAssignmentById, "get", {200: kit.ref("ScriptAssignment")}, query=_EXPAND)
kit.describe(
    ScriptAssignmentById, "put", {200: kit.ref("ScriptAssignment")}, body=ScriptAssignmentChange
)
kit.describe(ScriptAssignmentById, "delete", {200: None})
kit.describe(ScriptAssignmentRuns, "get", {200: kit.page_of("ScriptRun")}, query=COLLECTION)
kit.describe(ScriptAssignmentRuns, "post", {200: kit.ref("ScriptRun"), 201: kit.ref("ScriptRun")})

kit.describe(ScriptRuns, "get", {200: kit.page_of("ScriptRun")}, query=SEARCHABLE)
kit.describe(ScriptRunById, "get", {200: kit.ref("ScriptRun")}, query=_EXPAND)
kit.describe(ScriptRunById, "put", {200: kit.ref("ScriptRun")}, body=ScriptRunChange)
kit.describe(ScriptRunById, "patch", {204: None}, body=DurationChange)
kit.describe(ScriptRunById, "delete", {200: None})
kit.describe(StepResultById, "get", {200: kit.ref("StepResult")}, query=_EXPAND)

kit.describe(AgileRuns, "get", {200: kit.page_of("AgileRun")}, query=SEARCHABLE)
kit.describe(AgileRuns, "post", {201: kit.ref("AgileRun")}, body=AgileRunWrite)
kit.describe(AgileRunById, "get", {200: kit.ref("AgileRun")}, query=_EXPAND)
kit.describe(AgileRunById, "put", {200: kit.ref("AgileRun")}, body=AgileRunChange)
kit.describe(AgileRunById, "delete", {200: None})
