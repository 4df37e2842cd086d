"""
External systems, their links to projects and their tickets as JSON.

A password never goes out; `HasPassword` says whether there is one.
Source: contract `enterprise_tester.md`, sections 3.7 to 3.9.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets import connections, credentials, trackers
from tickets.api import custom_fields, expanding, lookup, representations
from tickets.models import FieldOf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

    from tickets.models import ExternalSystem, ExternalSystemLink

SYSTEM_EXPANDS: Final = ("ExternalSystemLinks", "Configuration", *custom_fields.EXPANDS)
LINK_EXPANDS: Final = ("Configuration", "ExternalSystem")
TICKET_EXPANDS: Final = ("ExternalSystem",)
#: The one type of link that a defect tracker has.
INCIDENT: Final = "Incident"


def system(request: HttpRequest, row: ExternalSystem, **expanded: Any) -> dict[str, Any]:
    """Return an external system."""
    kind = trackers.KINDS.get(row.kind)
    found = connections.problems(row)
    return {
        "Id": row.pk,
        "OrganisationId": row.account_id,
        "Name": row.name,
        "Type": row.kind,
        "ConnectionType": INCIDENT,
        "ConnectionString": row.base_url,
        "DisplayUrl": row.display_url or row.base_url,
        "Enabled": row.enabled,
        "QualifiedName": row.name,
        "TypeDescription": kind.title if kind else row.kind,
        "NumberOfLinks": getattr(row, "number_of_links", 0),
        "Categories": ["DefectTracker"],
        "UserName": row.user_name or None,
        "HasPassword": credentials.given(row),
        "ConfigurationComplete": not found,
        "ConfigurationProblems": found,
        "Problem": row.problem or None,
        **representations.tail(SYSTEM_EXPANDS, expanded),
        "Self": kit.by_id(request, "externalsystem", row.pk),
        "Links": [
            representations.rel(
                "ExternalSystemLinks", kit.by_id(request, "externalsystem-links", row.pk)
            ),
            representations.rel("Check", kit.by_id(request, "externalsystem-check", row.pk)),
        ],
    }


def link(request: HttpRequest, row: ExternalSystemLink, **expanded: Any) -> dict[str, Any]:
    """Return the link of an external system to a project; both are joined."""
    tracker = row.external_system
    found = connections.problems(tracker, project=row.tracker_project)
    return {
        "ExternalSystemId": row.external_system_id,
        "ProjectId": row.project_id,
        "ProjectName": row.project.name,
        "Id": row.pk,
        "Type": row.type,
        "TypeForDisplay": row.type,
        "ExternalSystemName": tracker.name,
        "ExternalSystemImplementationType": tracker.kind,
        "ExternalSystemConnectionType": INCIDENT,
        "Name": row.name,
        "Enabled": row.enabled,
        "LastSynchronizedAt": row.last_synchronized_at,
        "LastDestinationToSourceSynchronizationAt": row.last_pulled_at,
        "LastSourceToDestinationSynchronizationAt": row.last_pushed_at,
        "EaPackageId": None,
        "RequirementPackageId": None,
        "TestExecutionPackageId": None,
        "TestScriptPackageId": None,
        "DefectTrackerProjectId": row.tracker_project or None,
        "InternalPackageName": None,
        "ConfigurationComplete": not found,
        "ConfigurationProblems": found,
        "AutoSelect": "NotApplicable",
        "Problem": row.problem or None,
        **representations.tail(LINK_EXPANDS, expanded),
        "Self": kit.by_id(request, "externalsystemlink", row.pk),
        "Links": [
            representations.rel(
                "ExternalSystem", kit.by_id(request, "externalsystem", row.external_system_id)
            )
        ],
    }


def ticket(
    request: HttpRequest,
    found: trackers.Ticket,
    row: ExternalSystemLink,
    incident_id: UUID | None,
    **expanded: Any,
) -> dict[str, Any]:
    """
    Return a ticket as its tracker has it.

    `ExternalSystemId` is the link's id, as the vendor's is; `StartCreateIncident` is there
    until an incident is kept in step with it.
    """
    here = {"link_id": row.pk, "ticket": found.id}
    own = kit.link(request, "externalsystemlink-ticket", **here)
    onward = (
        representations.rel(
            "StartCreateIncident", kit.link(request, "externalsystemlink-ticket-link", **here)
        )
        if incident_id is None
        else representations.rel("Incident", kit.by_id(request, "incident", incident_id))
    )
    return {
        "Key": found.key,
        "Summary": found.summary,
        "Url": kit.absolute(request, found.url) or None,
        "Id": found.id,
        "Type": found.kind or None,
        "ExternalSystemId": row.pk,
        "ExternalSystemName": row.name,
        "IncidentId": incident_id,
        "Status": found.status,
        "InternalKey": None,
        **representations.tail(TICKET_EXPANDS, expanded),
        "Self": own,
        "Links": [
            onward,
            representations.rel(
                "ExternalSystemLink", kit.by_id(request, "externalsystemlink", row.pk)
            ),
        ],
    }


def check(found: trackers.Check) -> dict[str, Any]:
    """Return what works of a connection; ours, the vendor has none."""
    return {
        "Works": found.works,
        "Findings": [
            {"Capability": name.value, "Works": one.works, "Message": one.text or None}
            for name, one in found.findings.items()
        ],
    }


def systems(request: Request, rows: Sequence[ExternalSystem]) -> list[dict[str, Any]]:
    """Return external systems with what `SYSTEM_EXPANDS` names."""
    expands = kit.expansions(request, SYSTEM_EXPANDS)
    found = custom_fields.expanded(request, rows, expands, FieldOf.EXTERNAL_SYSTEM, lambda _: None)
    if "ExternalSystemLinks" in expands:
        others = lookup.external_system_links(lookup.actor(request)).order_by("name", "pk")
        found["ExternalSystemLinks"] = expanding.many(
            others, "external_system_id", rows, lambda row: link(request, row)
        )
    if "Configuration" in expands:
        found["Configuration"] = {row.pk: _written(row) for row in rows}
    return [system(request, row, **expanding.of_row(row, found)) for row in rows]


def links(request: Request, rows: Sequence[ExternalSystemLink]) -> list[dict[str, Any]]:
    """Return links; expansions `Configuration` and `ExternalSystem`."""
    expands = kit.expansions(request, LINK_EXPANDS)
    found: dict[str, expanding.Found] = {}
    if "Configuration" in expands:
        found["Configuration"] = {row.pk: _written(row.external_system) for row in rows}
    if "ExternalSystem" in expands:
        found["ExternalSystem"] = expanding.one(
            lookup.external_systems(lookup.actor(request)),
            {row.pk: row.external_system_id for row in rows},
            lambda row: system(request, row),
        )
    return [link(request, row, **expanding.of_row(row, found)) for row in rows]


def _written(row: ExternalSystem) -> str:
    return json.dumps(row.settings, ensure_ascii=False, sort_keys=True)
