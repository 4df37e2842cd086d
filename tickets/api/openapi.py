"""The resources of test results, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Final

from backgroundtasks.api import kit
from tickets.api import representations
from tickets.api.attachments import openapi as _attachments  # noqa: F401 - described with the rest
from tickets.api.custom_fields import OF_PROJECT as OF_PROJECT_WIDGETS
from tickets.api.custom_fields import WIDGETS
from tickets.api.describing import COLLECTION, LINKS, SEARCHABLE, expandable, or_null
from tickets.api.incidents import openapi as _incidents  # noqa: F401
from tickets.api.manual import openapi as _manual  # noqa: F401
from tickets.api.picklists import OF_PROJECT
from tickets.api.relationships import RESOURCES
from tickets.api.serializers import (
    AssignmentChange,
    AssignmentWrite,
    AutomatedTestChange,
    AutomatedTestWrite,
    ExecutionPackageChange,
    ExecutionPackageWrite,
    NodeWrite,
    PicklistItemChange,
    PicklistItemWrite,
    ProjectChange,
    ProjectWrite,
)
from tickets.api.systems import openapi as _systems  # noqa: F401
from tickets.api.views.assignment_runs import AssignmentRuns
from tickets.api.views.assignments import AssignmentById, Assignments
from tickets.api.views.automated_tests import AutomatedTestById, AutomatedTests
from tickets.api.views.diagnostics import LatestPerformanceMeasurement
from tickets.api.views.execution_packages import (
    ExecutionPackageById,
    ExecutionPackageChildren,
    ExecutionPackages,
)
from tickets.api.views.export_files import ExportFile
from tickets.api.views.nodes import NodeById, NodeChildren, RootNodes
from tickets.api.views.organisation import OrganisationById, OwnOrganisation
from tickets.api.views.picklists import ProjectPicklist, ProjectPicklistItem
from tickets.api.views.projects import ProjectById, Projects, ProjectsSearch
from tickets.api.views.runs import RunById, Runs
from tickets.results.node import Status

_Schema = dict[str, Any]

_MAP: Final[_Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_STATUS: Final[_Schema] = {"type": "string", "enum": [*Status]}
_NULL: Final[_Schema] = {"type": "null"}


kit.component(
    "Organisation",
    kit.entity(
        {
            "Id": kit.GUID,
            "Name": kit.TEXT,
            "Expands": kit.array_of(kit.TEXT),
            "Self": kit.URL,
            "Links": LINKS,
        }
    ),
)
_NUMBER: Final[_Schema] = {"type": "number", "minimum": 0}
kit.component(
    "PerformanceMeasurement",
    kit.entity(
        {
            "MeasuredAt": kit.MOMENT,
            "Database": {"type": "string", "enum": ["sqlite", "postgresql"]},
            "Workers": kit.COUNT,
            "Documents": {**kit.COUNT, "description": "In the account's search index."},
            "Measurements": kit.array_of(
                kit.entity(
                    {
                        "Name": kit.TEXT,
                        "Unit": {"type": "string", "enum": ["ms", "/s"]},
                        "Samples": kit.COUNT,
                    },
                    optional={
                        "Lowest": _NUMBER,
                        "Median": _NUMBER,
                        "P95": _NUMBER,
                        "Highest": _NUMBER,
                        "Rate": _NUMBER,
                    },
                )
            ),
            "Self": kit.URL,
            "Links": LINKS,
        }
    ),
)
kit.component(
    "Project",
    kit.entity(
        {
            "Id": kit.GUID,
            "Name": kit.TEXT,
            "OrganisationId": kit.GUID,
            "OrganisationName": kit.TEXT,
            "ProjectCategoryId": _NULL,
            "ProjectCategoryName": _NULL,
            "Description": kit.NULLABLE_TEXT,
            "EstimatedEndDate": kit.NULLABLE_MOMENT,
            "ManagerId": kit.NULLABLE_TEXT,
            "ManagerUserName": kit.NULLABLE_TEXT,
            "Slug": kit.NULLABLE_TEXT,
            "AutoNumberRequirements": kit.BOOLEAN,
            "AutoNumberScripts": kit.BOOLEAN,
            "Independent": kit.BOOLEAN,
            "RequirementNumberReadOnly": kit.BOOLEAN,
            "ScriptNumberReadOnly": kit.BOOLEAN,
            "OrderNumber": kit.WHOLE,
            "StartDate": kit.NULLABLE_MOMENT,
            "ProjectTypeId": _NULL,
            "Expands": expandable(representations.PROJECT_EXPANDS),
            "Self": kit.URL,
        },
        optional={
            **{name: kit.array_of(kit.ref("PicklistItem")) for name in OF_PROJECT},
            "ExecutionPackages": kit.array_of(kit.ref("ExecutionPackage")),
            "ExternalSystemLinks": kit.array_of(kit.ref("ExternalSystemLink")),
            "Widgets": kit.ref("EntityTypeWidgets"),
        },
    ),
)
kit.component(
    "Widget",
    {
        **kit.entity(
            {
                "FieldCategory": kit.TEXT,
                "Name": kit.TEXT,
                "Label": kit.TEXT,
                "WidgetType": {"type": "string", "enum": [one for one, _ in WIDGETS.values()]},
                "ValueType": {"type": "string", "enum": [one for _, one in WIDGETS.values()]},
                "ItemId": kit.GUID,
                "Required": kit.BOOLEAN,
                "ReadOnly": kit.BOOLEAN,
                "TabIndex": kit.WHOLE,
                "Hidden": kit.BOOLEAN,
                "FormName": kit.TEXT,
                "Description": kit.NULLABLE_TEXT,
                "Options": {
                    **kit.array_of(kit.entity({"Id": kit.GUID, "Text": kit.TEXT})),
                    "description": "Ours: what a choice may be.",
                },
            }
        ),
        "description": "A custom field.",
    },
)
_OF_TYPE: Final = kit.entity({"EntityType": kit.TEXT, "Widgets": kit.array_of(kit.ref("Widget"))})
kit.component(
    "EntityTypeWidgets",
    kit.entity(
        {
            "ProjectId": kit.GUID,
            "ProjectName": kit.TEXT,
            **{entity_type.value: _OF_TYPE for entity_type in OF_PROJECT_WIDGETS},
        }
    ),
)
kit.component(
    "PicklistItem",
    {
        **kit.entity(
            {
                "Id": kit.GUID,
                "Text": kit.TEXT,
                "SortOrder": kit.WHOLE,
                "IsEnable": kit.BOOLEAN,
                "Name": {**kit.TEXT, "description": "Ours: as `Text`."},
                "OrderNumber": {**kit.WHOLE, "description": "Ours: as `SortOrder`."},
                "ProjectId": {**kit.GUID, "description": "Ours."},
            }
        ),
        "description": "A word of a project's picklist.",
    },
)
kit.component(
    "PicklistCollection",
    kit.entity(
        {
            "Items": kit.array_of(kit.ref("PicklistItem")),
            "Text": {**kit.TEXT, "description": "Their texts, with commas."},
        }
    ),
)
_OUTERMOST: Final = {
    "Truncated": {
        **kit.BOOLEAN,
        "description": "Ours, of the outermost: more is related than 1,000 entities.",
    }
}
_RELATED: Final = {
    "EntityId": kit.GUID,
    "Number": kit.NULLABLE_TEXT,
    "Name": kit.NULLABLE_TEXT,
    "EntityType": kit.TEXT,
    "AssignedTo": kit.NULLABLE_TEXT,
    "Status": kit.NULLABLE_TEXT,
    "Priority": kit.NULLABLE_TEXT,
    "Type": kit.NULLABLE_TEXT,
    "PackageId": kit.NULLABLE_GUID,
    "PackageName": kit.NULLABLE_TEXT,
    "PackageEntityType": kit.NULLABLE_TEXT,
    "PackagePath": kit.NULLABLE_TEXT,
    "ParentId": _NULL,
    "ParentPath": _NULL,
    "ParentName": _NULL,
    "RelationshipId": _NULL,
    "RelationshipTypeKey": kit.NULLABLE_TEXT,
    "RelationshipType": kit.NULLABLE_TEXT,
    "Relation": kit.NULLABLE_TEXT,
    "RelationshipDirection": kit.NULLABLE_TEXT,
    "CanDelete": kit.BOOLEAN,
    "CanEdit": kit.BOOLEAN,
    "Children": kit.array_of(kit.ref("Relationship")),
}
kit.component(
    "Relationship",
    {
        **kit.entity(_RELATED, optional=_OUTERMOST),
        "description": "An entity, and what it is related to; of the outermost, how is null.",
    },
)
for _, _resource, _ in RESOURCES:
    kit.describe(_resource, "get", {200: kit.ref("Relationship")})

kit.component(
    "ExecutionPackage",
    kit.entity(
        {
            "Id": kit.GUID,
            "ParentId": kit.NULLABLE_GUID,
            "ProjectId": kit.GUID,
            "Name": kit.TEXT,
            "Stereotype": kit.NULLABLE_TEXT,
            "OrderNumber": kit.WHOLE,
            "Expands": expandable(representations.PACKAGE_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Children": kit.array_of(kit.ref("ExecutionPackage")),
            "Parent": or_null("ExecutionPackage"),
            "Project": kit.ref("Project"),
            "AutomatedTestAssignments": kit.array_of(kit.ref("AutomatedTestAssignment")),
            "ScriptAssignments": kit.array_of(kit.ref("ScriptAssignment")),
            "AgileRuns": kit.array_of(kit.ref("AgileRun")),
        },
    ),
)
kit.component(
    "AutomatedTest",
    kit.entity(
        {
            "Id": kit.GUID,
            "Name": kit.TEXT,
            "ProjectId": kit.GUID,
            "PackageId": kit.NULLABLE_GUID,
            "Type": {**kit.TEXT, "description": "`UnitTest`, `Selenium`, `QTP`, `RFT` …"},
            "Configuration": {**kit.OBJECT, "description": "`Type` is the sub-type: `JUnit`."},
            "Expands": expandable(representations.TEST_EXPANDS),
            "Self": kit.URL,
        },
        optional={"Project": kit.ref("Project"), "Package": or_null("ExecutionPackage")},
    ),
)
kit.component(
    "AutomatedTestAssignment",
    kit.entity(
        {
            "Id": kit.GUID,
            "AutomatedTestId": kit.GUID,
            "Name": {**kit.TEXT, "description": "Its test's."},
            "Status": {**kit.TEXT, "description": "Its last run's, or `Not Run`."},
            "AssignedTo": kit.NULLABLE_TEXT,
            "AssignedToId": kit.NULLABLE_TEXT,
            "PackageId": kit.GUID,
            "Expands": expandable(representations.ASSIGNMENT_EXPANDS),
            "Self": kit.URL,
            "Links": {**LINKS, "description": "`Runs` is where results are uploaded."},
        },
        optional={
            "Runs": kit.array_of(kit.ref("AutomatedTestRun")),
            "Package": kit.ref("ExecutionPackage"),
            "Totals": or_null("Totals"),
            "AutomatedTest": kit.ref("AutomatedTest"),
        },
    ),
)
kit.component(
    "AutomatedTestRun",
    kit.entity(
        {
            "RunByDisplayName": kit.NULLABLE_TEXT,
            "RunBy": kit.NULLABLE_TEXT,
            "RunById": kit.NULLABLE_TEXT,
            "AssignmentId": kit.GUID,
            "Id": kit.GUID,
            "Status": _STATUS,
            "ImportedAt": kit.MOMENT,
            "StartedAt": kit.NULLABLE_MOMENT,
            "FinishedAt": kit.NULLABLE_MOMENT,
            "Expands": expandable(representations.RUN_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={"Totals": kit.ref("Totals"), "Assignment": kit.ref("AutomatedTestAssignment")},
    ),
)
kit.component(
    "Totals",
    {
        **kit.entity(
            {
                "Errors": kit.COUNT,
                "Failed": kit.COUNT,
                "Passed": kit.COUNT,
                "Skipped": kit.COUNT,
                "Warnings": {**kit.COUNT, "description": "Of the passed: after a flaky failure."},
                "TotalNodes": {**kit.COUNT, "description": "Suites and test cases."},
                "TotalResults": {**kit.COUNT, "description": "Test cases."},
                "Iterations": kit.COUNT,
                "NotRun": kit.COUNT,
                "Done": kit.COUNT,
                "Infos": kit.COUNT,
            }
        ),
        "description": "Each test case is one of Errors, Failed, Skipped and Passed.",
    },
)
kit.component(
    "ResultNode",
    kit.entity(
        {
            "HasAttachments": kit.BOOLEAN,
            "HasIncidents": kit.BOOLEAN,
            "HasChildren": kit.BOOLEAN,
            "Id": kit.GUID,
            "Name": kit.TEXT,
            "Description": {
                **kit.NULLABLE_TEXT,
                "description": "What went wrong. All text of a node is kept to 64 KB.",
            },
            "Notes": kit.NULLABLE_TEXT,
            "Status": _STATUS,
            "Iteration": kit.COUNT,
            "StartedAt": kit.NULLABLE_MOMENT,
            "FinishedAt": kit.NULLABLE_MOMENT,
            "DurationInSeconds": {"type": ["number", "null"], "minimum": 0},
            "Expands": expandable(representations.NODE_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Metadata": {**_MAP, "description": "What the report says beside: `system-out` …"},
            "Parameters": {**_MAP, "description": "The report's properties."},
            "Children": kit.array_of(kit.ref("ResultNode")),
        },
    ),
)

_NODES: Final = kit.array_of(kit.ref("ResultNode"))
_UPLOAD: Final[_Schema] = {
    "type": "object",
    "properties": {
        "report": {
            "type": "string",
            "format": "binary",
            "description": "JUnit XML, or a zip of many. Any part name; the first file counts.",
        }
    },
    "required": ["report"],
}

kit.describe(
    LatestPerformanceMeasurement,
    "get",
    {200: kit.ref("PerformanceMeasurement")},
    query=(kit.parameter("export", kit.BOOLEAN, "As a file."),),
)
kit.describe(
    ExportFile,
    "get",
    {200: {"type": "string", "format": "binary"}},
    answer_kind="text/csv",
)
kit.describe(OwnOrganisation, "get", {200: kit.ref("Organisation")})
kit.describe(OrganisationById, "get", {200: kit.ref("Organisation")})
kit.describe(
    OrganisationById,
    "delete",
    {202: kit.ref("BackgroundTask")},
    query=(kit.IDEMPOTENCY_KEY,),
    refusals=(409,),
)
kit.describe(Projects, "get", {200: kit.page_of("Project")}, query=COLLECTION)
kit.describe(Projects, "post", {201: kit.ref("Project")}, body=ProjectWrite, refusals=(409,))
for _method in ("get", "post"):
    kit.describe(
        ProjectsSearch,
        _method,
        {200: kit.page_of("Project")},
        query=(kit.parameter("query", kit.TEXT, "A part of the name."), *COLLECTION),
    )
kit.describe(ProjectById, "get", {200: kit.ref("Project")}, query=(kit.EXPAND,))
kit.describe(
    ProjectById,
    "delete",
    {202: kit.ref("BackgroundTask")},
    query=(kit.IDEMPOTENCY_KEY,),
    refusals=(409,),
)
kit.describe(ProjectById, "put", {200: kit.ref("Project")}, body=ProjectChange, refusals=(409,))
kit.describe(ProjectPicklist, "get", {200: kit.page_of("PicklistItem")}, query=kit.ODATA)
kit.describe(
    ProjectPicklist,
    "post",
    {201: kit.ref("PicklistItem")},
    body=PicklistItemWrite,
    refusals=(409,),
)
kit.describe(ProjectPicklistItem, "get", {200: kit.ref("PicklistItem")})
kit.describe(
    ProjectPicklistItem,
    "put",
    {200: kit.ref("PicklistItem")},
    body=PicklistItemChange,
    refusals=(409,),
)
kit.describe(ProjectPicklistItem, "delete", {200: None})

kit.describe(ExecutionPackages, "get", {200: kit.page_of("ExecutionPackage")}, query=SEARCHABLE)
kit.describe(
    ExecutionPackages, "post", {201: kit.ref("ExecutionPackage")}, body=ExecutionPackageWrite
)
kit.describe(ExecutionPackageById, "get", {200: kit.ref("ExecutionPackage")}, query=(kit.EXPAND,))
kit.describe(
    ExecutionPackageById, "put", {200: kit.ref("ExecutionPackage")}, body=ExecutionPackageChange
)
kit.describe(
    ExecutionPackageById,
    "delete",
    {200: None},
    query=(kit.parameter("deleteChildren", kit.BOOLEAN, "Also what is in it."),),
)
kit.describe(
    ExecutionPackageChildren, "get", {200: kit.page_of("ExecutionPackage")}, query=COLLECTION
)

kit.describe(AutomatedTests, "get", {200: kit.page_of("AutomatedTest")}, query=SEARCHABLE)
kit.describe(AutomatedTests, "post", {201: kit.ref("AutomatedTest")}, body=AutomatedTestWrite)
kit.describe(AutomatedTestById, "get", {200: kit.ref("AutomatedTest")}, query=(kit.EXPAND,))
kit.describe(AutomatedTestById, "put", {200: kit.ref("AutomatedTest")}, body=AutomatedTestChange)
kit.describe(AutomatedTestById, "delete", {200: None})

kit.describe(Assignments, "get", {200: kit.page_of("AutomatedTestAssignment")}, query=SEARCHABLE)
kit.describe(Assignments, "post", {201: kit.ref("AutomatedTestAssignment")}, body=AssignmentWrite)
kit.describe(AssignmentById, "get", {200: kit.ref("AutomatedTestAssignment")}, query=(kit.EXPAND,))
kit.describe(
    AssignmentById, "put", {200: kit.ref("AutomatedTestAssignment")}, body=AssignmentChange
)
kit.describe(AssignmentById, "delete", {200: None})
kit.describe(AssignmentRuns, "get", {200: kit.page_of("AutomatedTestRun")}, query=COLLECTION)
kit.describe(
    AssignmentRuns,
    "post",
    {202: kit.ref("BackgroundTask")},
    body=_UPLOAD,
    kinds=("multipart/form-data", "multipart/mixed"),
    query=(kit.IDEMPOTENCY_KEY,),
    refusals=(409, 500),
)

kit.describe(Runs, "get", {200: kit.page_of("AutomatedTestRun")}, query=SEARCHABLE)
kit.describe(RunById, "get", {200: kit.ref("AutomatedTestRun")}, query=(kit.EXPAND,))
kit.describe(RunById, "delete", {200: None})
kit.describe(RootNodes, "get", {200: _NODES}, query=(kit.EXPAND,))
kit.describe(NodeById, "get", {200: kit.ref("ResultNode")}, query=(kit.EXPAND,))
kit.describe(NodeById, "patch", {200: kit.ref("ResultNode")}, body=NodeWrite)
kit.describe(
    NodeChildren,
    "get",
    {200: _NODES},
    query=(
        kit.EXPAND,
        kit.parameter(
            "status",
            {"type": "string", "enum": [*Status, "Warning"]},
            "Only these; several with commas. `Warning` is a pass after a flaky failure.",
        ),
    ),
    refusals=(400,),
)
