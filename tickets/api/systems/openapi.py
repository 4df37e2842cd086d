"""The resources of trackers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Final

from backgroundtasks.api import kit
from tickets import trackers
from tickets.api.describing import COLLECTION, FIELDS, LINKS, TEXT_OR_NULL, expandable
from tickets.api.systems import bodies
from tickets.api.systems.links import (
    ExternalSystemLinkById,
    ExternalSystemLinkCopy,
    ExternalSystemLinks,
    ProjectSearchLinks,
)
from tickets.api.systems.serializers import (
    ExternalSystemChange,
    ExternalSystemLinkChange,
    ExternalSystemLinkWrite,
    ExternalSystemWrite,
    LinkCopy,
    Switch,
)
from tickets.api.systems.systems import (
    ExternalSystemById,
    ExternalSystemCheck,
    ExternalSystemLinksOf,
    ExternalSystems,
    ExternalSystemTypes,
)
from tickets.api.systems.tickets import LinkField, ProjectTickets, TicketById, TicketLink

_NOTHING: Final = {"type": "null"}
_EXPAND: Final = (kit.EXPAND,)
_KEEP: Final = (
    kit.parameter(
        "keepReferences",
        kit.BOOLEAN,
        "Whether incidents keep the keys and URLs of their tickets: true unless said otherwise.",
    ),
)
_PROBLEM: Final = {**TEXT_OR_NULL, "description": "Ours: what is wrong at present."}

kit.component(
    "ExternalSystem",
    kit.entity(
        {
            "Id": kit.GUID,
            "OrganisationId": kit.GUID,
            "Name": kit.TEXT,
            "Type": {**kit.TEXT, "description": "One of `/api/externalsystemtypes`."},
            "ConnectionType": kit.TEXT,
            "ConnectionString": {**kit.TEXT, "description": "The base URL."},
            "DisplayUrl": kit.TEXT,
            "Enabled": kit.BOOLEAN,
            "QualifiedName": kit.TEXT,
            "TypeDescription": kit.TEXT,
            "NumberOfLinks": kit.COUNT,
            "Categories": kit.array_of(kit.TEXT),
            "UserName": TEXT_OR_NULL,
            "HasPassword": {**kit.BOOLEAN, "description": "The password itself is never shown."},
            "ConfigurationComplete": kit.BOOLEAN,
            "ConfigurationProblems": kit.array_of(kit.TEXT),
            "Problem": _PROBLEM,
            "Expands": expandable(bodies.SYSTEM_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            **FIELDS,
            "ExternalSystemLinks": kit.array_of(kit.ref("ExternalSystemLink")),
            "Configuration": {**kit.TEXT, "description": "A JSON object, written as a text."},
        },
    ),
)
kit.component(
    "ExternalSystemLink",
    kit.entity(
        {
            "ExternalSystemId": kit.GUID,
            "ProjectId": kit.GUID,
            "ProjectName": kit.TEXT,
            "Id": kit.GUID,
            "Type": kit.TEXT,
            "TypeForDisplay": kit.TEXT,
            "ExternalSystemName": kit.TEXT,
            "ExternalSystemImplementationType": kit.TEXT,
            "ExternalSystemConnectionType": kit.TEXT,
            "Name": kit.TEXT,
            "Enabled": kit.BOOLEAN,
            "LastSynchronizedAt": kit.NULLABLE_MOMENT,
            "LastDestinationToSourceSynchronizationAt": kit.NULLABLE_MOMENT,
            "LastSourceToDestinationSynchronizationAt": kit.NULLABLE_MOMENT,
            "EaPackageId": _NOTHING,
            "RequirementPackageId": _NOTHING,
            "TestExecutionPackageId": _NOTHING,
            "TestScriptPackageId": _NOTHING,
            "DefectTrackerProjectId": TEXT_OR_NULL,
            "InternalPackageName": _NOTHING,
            "ConfigurationComplete": kit.BOOLEAN,
            "ConfigurationProblems": kit.array_of(kit.TEXT),
            "AutoSelect": {"type": "string", "enum": ["NotApplicable"]},
            "Problem": _PROBLEM,
            "Expands": expandable(bodies.LINK_EXPANDS),
            "Self": kit.URL,
            "Links": LINKS,
        },
        optional={
            "Configuration": {**kit.TEXT, "description": "A JSON object, written as a text."},
            "ExternalSystem": kit.ref("ExternalSystem"),
        },
    ),
)
kit.component(
    "ExternalSystemType",
    kit.entity(
        {
            "Type": kit.TEXT,
            "Description": kit.TEXT,
            "Categories": kit.array_of(kit.TEXT),
            "Needs": kit.array_of(kit.TEXT),
            "Configuration": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "What `Configuration` of a system may say, with its meaning.",
            },
        }
    ),
)
kit.component(
    "Ticket",
    kit.entity(
        {
            "Key": kit.TEXT,
            "Summary": kit.TEXT,
            "Url": TEXT_OR_NULL,
            "Id": kit.TEXT,
            "Type": TEXT_OR_NULL,
            "ExternalSystemId": {
                **kit.GUID,
                "description": "The id of the link, as the vendor has it.",
            },
            "ExternalSystemName": kit.TEXT,
            "IncidentId": kit.NULLABLE_GUID,
            "Status": kit.TEXT,
            "InternalKey": _NOTHING,
            "Expands": expandable(bodies.TICKET_EXPANDS),
            "Self": kit.URL,
            "Links": {
                **LINKS,
                "description": "A POST to `StartCreateIncident` makes an incident; then it is `Incident`.",
            },
        },
        optional={"ExternalSystem": kit.ref("ExternalSystemLink")},
    ),
)
kit.component(
    "TrackerFailure",
    kit.entity(
        {"ExternalSystemLinkId": kit.GUID, "ExternalSystemName": kit.TEXT, "Message": kit.TEXT}
    ),
)
kit.component(
    "ConnectionCheck",
    kit.entity(
        {
            "Works": kit.BOOLEAN,
            "Findings": kit.array_of(
                kit.entity(
                    {
                        "Capability": {
                            "type": "string",
                            "enum": [word.value for word in trackers.Capability],
                        },
                        "Works": {
                            "type": ["boolean", "null"],
                            "description": "Null: only trying it would tell.",
                        },
                        "Message": TEXT_OR_NULL,
                    }
                )
            ),
        }
    ),
)

_SYSTEM: Final = kit.ref("ExternalSystem")
_LINK: Final = kit.ref("ExternalSystemLink")
_LINKS: Final = kit.page_of("ExternalSystemLink")

kit.describe(ExternalSystemTypes, "get", {200: kit.page_of("ExternalSystemType")}, query=kit.PAGING)
kit.describe(ExternalSystems, "get", {200: kit.page_of("ExternalSystem")}, query=COLLECTION)
kit.describe(ExternalSystems, "post", {201: _SYSTEM}, body=ExternalSystemWrite, refusals=(409,))
kit.describe(ExternalSystemById, "get", {200: _SYSTEM}, query=_EXPAND)
kit.describe(ExternalSystemById, "put", {200: _SYSTEM}, body=ExternalSystemChange, refusals=(409,))
kit.describe(ExternalSystemById, "patch", {200: _SYSTEM}, body=Switch)
kit.describe(ExternalSystemById, "delete", {200: None}, query=_KEEP)
kit.describe(ExternalSystemLinksOf, "get", {200: _LINKS}, query=COLLECTION)
_PROJECT: Final = kit.parameter(
    "project", kit.TEXT, "Of the tracker: `TST`; that of the first link unless it is said."
)
kit.describe(ExternalSystemCheck, "post", {200: kit.ref("ConnectionCheck")}, query=(_PROJECT,))

kit.describe(ExternalSystemLinks, "get", {200: _LINKS}, query=COLLECTION)
kit.describe(
    ExternalSystemLinks, "post", {201: _LINK}, body=ExternalSystemLinkWrite, refusals=(409,)
)
kit.describe(ExternalSystemLinkById, "get", {200: _LINK}, query=_EXPAND)
kit.describe(
    ExternalSystemLinkById, "put", {200: _LINK}, body=ExternalSystemLinkChange, refusals=(409,)
)
kit.describe(ExternalSystemLinkById, "patch", {200: _LINK}, body=Switch)
kit.describe(ExternalSystemLinkById, "delete", {200: None}, query=_KEEP)
kit.describe(ExternalSystemLinkCopy, "post", {201: _LINK}, body=LinkCopy, refusals=(409,))
_QUERY: Final = kit.parameter("query", kit.TEXT, "A part of the name.")
kit.describe(ProjectSearchLinks, "get", {200: _LINKS}, query=(_QUERY, *COLLECTION))
kit.describe(ProjectSearchLinks, "post", {200: _LINKS}, query=(_QUERY, *COLLECTION))

_FOUND: Final = kit.page_of("Ticket")
_FOUND["properties"]["Failures"] = {
    **kit.array_of(kit.ref("TrackerFailure")),
    "description": "Ours: the trackers that did not answer in time, and why.",
}
kit.describe(
    ProjectTickets,
    "get",
    {200: _FOUND},
    query=(kit.parameter("q", kit.TEXT, "Words, or a key."), *kit.PAGING, kit.EXPAND),
)
kit.component("FieldChoice", kit.entity({"Identifier": kit.TEXT, "Text": kit.TEXT}))
kit.describe(
    LinkField,
    "get",
    {200: kit.page_of("FieldChoice")},
    query=(kit.parameter("query", kit.TEXT, "A part of the text."), *kit.PAGING),
    refusals=(500,),
)
kit.describe(TicketById, "get", {200: kit.ref("Ticket")}, query=_EXPAND, refusals=(500,))
kit.describe(
    TicketLink,
    "post",
    {202: kit.ref("BackgroundTask")},
    query=(kit.IDEMPOTENCY_KEY,),
    refusals=(409, 500),
)
