"""The resources of incidents, as the OpenAPI document shows them."""

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
from tickets.api.incidents import bodies, link_bodies
from tickets.api.incidents.found_by import (
    AgileStepIncidentById,
    AgileStepIncidents,
    NodeIncidentById,
    NodeIncidents,
    StepResultIncidentById,
    StepResultIncidents,
)
from tickets.api.incidents.incidents import IncidentById, IncidentComments, Incidents
from tickets.api.incidents.serializers import IncidentChange, IncidentWrite, LinkedIncident

_NOTHING: Final = {"type": "null"}
_IDS_OR_NULL: Final = {"anyOf": [kit.array_of(kit.GUID), _NOTHING]}

kit.component(
    "Incident",
    kit.entity(
        {
            "Id": kit.GUID,
            "Summary": kit.TEXT,
            "AssignedToId": TEXT_OR_NULL,
            "AssignedTo": TEXT_OR_NULL,
            "Description": TEXT_OR_NULL,
            "PriorityId": kit.NULLABLE_GUID,
            "StatusId": kit.NULLABLE_GUID,
            "TypeId": kit.NULLABLE_GUID,
            "ResolutionId": kit.NULLABLE_GUID,
            "AffectedVersionIds": _IDS_OR_NULL,
            "FixedVersionIds": _IDS_OR_NULL,
            "ComponentIds": _IDS_OR_NULL,
            "ExternalSystemLinkIds": _IDS_OR_NULL,
            "CreatedAt": kit.MOMENT,
            "LastUpdatedAt": kit.MOMENT,
            "CreatedById": TEXT_OR_NULL,
            "CreatedBy": TEXT_OR_NULL,
            "LastUpdatedById": TEXT_OR_NULL,
            "LastUpdatedBy": TEXT_OR_NULL,
            "ProjectId": kit.GUID,
            "ProjectName": kit.TEXT,
            "IncidentNumber": {**kit.COUNT, "description": "From 1 in each project."},
            "InternalId": _NOTHING,
            "VersionNumber": {**kit.COUNT, "description": "Raised by every change."},
            "HasAttachments": kit.BOOLEAN,
            "Expands": expandable(bodies.INCIDENT_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Project": kit.ref("Project"),
            "LastComment": or_null("IncidentComment"),
            "Status": or_null("PicklistItem"),
            "Priority": or_null("PicklistItem"),
            "Type": or_null("PicklistItem"),
            "Resolution": or_null("PicklistItem"),
            **FIELDS,
            "Components": kit.ref("PicklistCollection"),
            "FixedVersions": kit.ref("PicklistCollection"),
            "AffectedVersions": kit.ref("PicklistCollection"),
            "ExternalSystemLinks": kit.array_of(kit.ref("ExternalSystemLink")),
            "ExternalKeys": {**TEXT_OR_NULL, "description": "The keys of its tickets."},
            "ExternalTickets": kit.array_of(kit.ref("ExternalTicket")),
            "Comments": kit.array_of(kit.ref("IncidentComment")),
            "Attachments": kit.array_of(kit.ref("IncidentAttachment")),
        },
    ),
)
kit.component(
    "IncidentComment",
    kit.entity(
        {
            "Id": kit.GUID,
            "IncidentId": kit.GUID,
            "Comment": kit.TEXT,
            "CreatedAt": kit.MOMENT,
            "CreatedBy": TEXT_OR_NULL,
            "CreatedById": TEXT_OR_NULL,
        }
    ),
)
kit.component(
    "ExternalTicket",
    {
        **kit.entity(
            {
                "Id": TEXT_OR_NULL,
                "Key": TEXT_OR_NULL,
                "Url": TEXT_OR_NULL,
                "Summary": TEXT_OR_NULL,
                "Status": TEXT_OR_NULL,
                "AssignedTo": TEXT_OR_NULL,
                "ExternalSystemLinkId": kit.NULLABLE_GUID,
                "SynchronizedAt": kit.NULLABLE_MOMENT,
                "Problem": {**TEXT_OR_NULL, "description": "Why the two are not in step."},
            }
        ),
        "description": "Ours: how a tracker's ticket stood when incident and ticket last agreed.",
    },
)
kit.component(
    "StepResultIncident",
    kit.entity(
        {
            "StepResultId": kit.GUID,
            "IncidentId": kit.GUID,
            "Expands": expandable(link_bodies.STEP_RESULT_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={"Incident": kit.ref("Incident"), "StepResult": kit.ref("StepResult")},
    ),
)
kit.component(
    "AgileRunStepIncident",
    kit.entity(
        {
            "RunId": kit.GUID,
            "StepId": kit.GUID,
            "IncidentId": kit.GUID,
            "Expands": expandable(link_bodies.AGILE_STEP_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={"Incident": kit.ref("Incident"), "Run": kit.ref("AgileRun")},
    ),
)
kit.component(
    "ResultNodeIncident",
    kit.entity(
        {
            "RunId": kit.GUID,
            "NodeId": kit.GUID,
            "IncidentId": kit.GUID,
            "Expands": expandable(link_bodies.NODE_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Run": kit.ref("AutomatedTestRun"),
            "Node": kit.ref("ResultNode"),
            "Incident": kit.ref("Incident"),
        },
    ),
)

kit.describe(Incidents, "get", {200: kit.page_of("Incident")}, query=SEARCHABLE)
kit.describe(Incidents, "post", {200: kit.ref("Incident")}, body=IncidentWrite)
kit.describe(IncidentById, "get", {200: kit.ref("Incident")}, query=(kit.EXPAND,))
kit.describe(IncidentById, "put", {200: kit.ref("Incident")}, body=IncidentChange)
kit.describe(IncidentById, "patch", {204: None}, body=IncidentChange)
kit.describe(IncidentById, "delete", {200: None})
kit.describe(IncidentComments, "get", {200: kit.page_of("IncidentComment")}, query=kit.ODATA)

for _many, _one, _name, _refusals in (
    (StepResultIncidents, StepResultIncidentById, "StepResultIncident", ()),
    (AgileStepIncidents, AgileStepIncidentById, "AgileRunStepIncident", ()),
    (NodeIncidents, NodeIncidentById, "ResultNodeIncident", (400,)),
):
    kit.describe(_many, "get", {200: kit.page_of(_name)}, query=COLLECTION)
    kit.describe(
        _many,
        "post",
        {200: kit.ref(_name), 201: kit.ref(_name)},
        body=LinkedIncident,
        refusals=_refusals,
    )
    kit.describe(_one, "get", {200: kit.ref(_name)}, query=(kit.EXPAND,))
    kit.describe(_one, "delete", {200: None})
