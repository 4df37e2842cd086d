"""
Incidents as JSON, with what `$expand` asks for.

Each expansion costs one query, however many rows there are.
Source: contract `enterprise_tester.md`, section 3.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets.api import custom_fields, expanding, lookup, representations
from tickets.api.attachments import bodies as attachments
from tickets.api.picklists import PICKS, collection, item, picked
from tickets.api.systems import bodies as systems
from tickets.models import FieldOf, PickedAs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest
    from rest_framework.request import Request

    from tickets.models import ExternalTicket, Incident, IncidentComment

INCIDENT_EXPANDS: Final = (
    *custom_fields.EXPANDS,
    "Project",
    "LastComment",
    "Status",
    "Priority",
    "Type",
    "Resolution",
    "Components",
    "FixedVersions",
    "AffectedVersions",
    "ExternalSystemLinks",
    "ExternalKeys",
    "ExternalTickets",
    "Comments",
    "Attachments",
)
_PICKED: Final = {
    "Status": "status",
    "Priority": "priority",
    "Type": "type",
    "Resolution": "resolution",
}
_SEVERAL: Final = {
    "Components": PickedAs.COMPONENT,
    "FixedVersions": PickedAs.FIXED_VERSION,
    "AffectedVersions": PickedAs.AFFECTED_VERSION,
}


def incident(request: HttpRequest, row: Incident, **expanded: Any) -> dict[str, Any]:
    """Return an incident; its `external_tickets` and `picks` are prefetched."""
    links = [ticket.link_id for ticket in row.external_tickets.all() if ticket.link_id]
    return {
        "Id": row.pk,
        "Summary": row.summary,
        "AssignedToId": representations.user_id(row.assigned_to),
        "AssignedTo": representations.login(row.assigned_to),
        "Description": row.description,
        "PriorityId": row.priority_id,
        "StatusId": row.status_id,
        "TypeId": row.type_id,
        "ResolutionId": row.resolution_id,
        **{
            name: [pick.item_id for pick in row.picks.all() if pick.picked_as == picked_as] or None
            for name, (picked_as, _) in PICKS.items()
        },
        "ExternalSystemLinkIds": links or None,
        "CreatedAt": row.created_at,
        "LastUpdatedAt": row.updated_at,
        "CreatedById": representations.user_id(row.created_by),
        "CreatedBy": representations.login(row.created_by),
        "LastUpdatedById": representations.user_id(row.last_updated_by),
        "LastUpdatedBy": representations.login(row.last_updated_by),
        "ProjectId": row.project_id,
        "ProjectName": row.project.name,
        "IncidentNumber": row.number,
        "InternalId": None,
        "VersionNumber": row.version_number,
        "HasAttachments": bool(getattr(row, "has_attachments", False)),
        **representations.tail(INCIDENT_EXPANDS, expanded),
        "Self": kit.by_id(request, "incident", row.pk),
        "Links": [
            # First, as with the vendor.
            *representations.relationships(request, "incident", row.pk),
            representations.rel("Comments", kit.by_id(request, "incident-comments", row.pk)),
            representations.rel("Attachments", kit.by_id(request, "incident-attachments", row.pk)),
        ],
    }


def comment(row: IncidentComment) -> dict[str, Any]:
    """Return a comment; it has no resource of its own."""
    return {
        "Id": row.pk,
        "IncidentId": row.incident_id,
        "Comment": row.text,
        "CreatedAt": row.created_at,
        "CreatedBy": representations.login(row.created_by),
        "CreatedById": representations.user_id(row.created_by),
    }


def external_ticket(request: HttpRequest, row: ExternalTicket) -> dict[str, Any]:
    """Return how a tracker's ticket stands beside its incident; ours, the vendor has none."""
    return {
        "Id": row.ticket_id,
        "Key": row.key or None,
        "Url": kit.absolute(request, row.url) or None,
        "Summary": row.summary or None,
        "Status": row.status or None,
        "AssignedTo": row.assignee or None,
        "ExternalSystemLinkId": row.link_id,
        "SynchronizedAt": row.synchronized_at,
        "Problem": row.problem or None,
    }


def incidents(request: Request, rows: Sequence[Incident]) -> list[dict[str, Any]]:
    """Return incidents with their expansions."""
    expands = kit.expansions(request, INCIDENT_EXPANDS)
    found = custom_fields.expanded(request, rows, expands, FieldOf.INCIDENT)
    if "Project" in expands:
        found["Project"] = expanding.projects_of(request, rows)
    found.update(picked(rows, {name: _PICKED[name] for name in _PICKED if name in expands}, item))
    for name in expands & _SEVERAL.keys():
        found[name] = {
            row.pk: collection(
                pick.item for pick in row.picks.all() if pick.picked_as == _SEVERAL[name]
            )
            for row in rows
        }
    if expands & {"Comments", "LastComment"}:
        comments = expanding.many(
            lookup.comments(lookup.actor(request)).order_by("created_at", "pk"),
            "incident_id",
            rows,
            comment,
        )
        if "Comments" in expands:
            found["Comments"] = comments
        if "LastComment" in expands:
            found["LastComment"] = {
                pk: texts[-1] if texts else None for pk, texts in comments.items()
            }
    if "Attachments" in expands:
        found["Attachments"] = expanding.many(
            lookup.attachments(lookup.actor(request)).order_by("created_at", "pk"),
            "incident_id",
            rows,
            lambda row: attachments.body(request, row),
        )
    found.update(_external(request, rows, expands))
    return [incident(request, row, **expanding.of_row(row, found)) for row in rows]


def _external(
    request: Request, rows: Sequence[Incident], expands: frozenset[str]
) -> dict[str, expanding.Found]:
    """Return what trackers have of incidents."""
    tickets = {row.pk: list(row.external_tickets.all()) for row in rows}
    found: dict[str, expanding.Found] = {}
    if "ExternalKeys" in expands:
        found["ExternalKeys"] = {
            pk: ", ".join(ticket.key for ticket in some if ticket.key) or None
            for pk, some in tickets.items()
        }
    if "ExternalTickets" in expands:
        found["ExternalTickets"] = {
            pk: [external_ticket(request, ticket) for ticket in some]
            for pk, some in tickets.items()
        }
    if "ExternalSystemLinks" in expands:
        ids = {ticket.link_id for some in tickets.values() for ticket in some if ticket.link_id}
        links = lookup.external_system_links(lookup.actor(request)).in_bulk(ids)
        shown = {pk: systems.link(request, link) for pk, link in links.items()}
        found["ExternalSystemLinks"] = {
            pk: [shown[ticket.link_id] for ticket in some if ticket.link_id in shown]
            for pk, some in tickets.items()
        }
    return found
