"""
Making tickets of incidents.

The row that says "to be made" is there before its tracker is asked, and its id marks the
ticket: whoever comes after a crash finds the ticket by the mark and makes no second one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets import connections, linking, trackers
from tickets.models import ExternalTicket

if TYPE_CHECKING:
    from uuid import UUID

    from tickets.models import ExternalSystemLink, Incident


def require_none(incident: Incident, link: ExternalSystemLink) -> None:
    """
    Refuse to make a second ticket of an incident in one tracker.

    Raises:
        TicketRefused: it has one.
    """
    row = ExternalTicket.objects.filter(incident=incident, link=link).first()
    if row is not None and row.ticket_id is not None:
        raise linking.TicketRefused(_known(row))


def wanted(incident: Incident, link: ExternalSystemLink, *, task_id: UUID) -> ExternalTicket:
    """
    Return the row of the ticket that an incident is to have, or that this task has made.

    One that another task left unmade is taken over.

    Raises:
        TicketRefused: the incident has a ticket there that another task made.
    """
    row, _ = ExternalTicket.objects.get_or_create(
        incident=incident,
        link=link,
        defaults={
            "account_id": link.account_id,
            "external_system_id": link.external_system_id,
            "project_id": link.project_id,
            "linked_by": task_id,
        },
    )
    row.incident, row.link = incident, link
    if row.ticket_id is not None and row.linked_by != task_id:
        raise linking.TicketRefused(_known(row))
    return row


def make(row: ExternalTicket) -> None:
    """
    Make the ticket of a row, or find the one that was made of it.

    Args:
        row: With its incident and its type, its link and that one's external system.

    Raises:
        TicketRefused: the tracker does not take it; the row keeps the reason.
        Temporary: it may later; likewise.
    """
    if row.ticket_id is not None:
        return
    assert row.link is not None  # noqa: S101 - a ticket is wanted in a tracker
    incident = row.incident
    draft = trackers.Draft(
        summary=incident.summary,
        description=incident.description or "",
        mark=f"task-center:ticket:{row.pk}",
    )
    try:
        ticket = connections.tracker_of(row.link).create(draft)
    except trackers.errors.TrackerError as error:
        row.problem = str(error)
        row.save(update_fields=["problem"])
        if error.temporary:
            raise
        raise linking.TicketRefused(str(error)) from None
    linking.adopt(row, ticket)


def _known(row: ExternalTicket) -> str:
    return f"The incident has the ticket {row.key} in this tracker already."
