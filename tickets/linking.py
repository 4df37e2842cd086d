"""
Bringing tickets of trackers together with incidents, and incidents with what they were found by.

Every step here may be done again by another attempt, at any moment, and finds what was done:
the database's constraints decide, and rows know the task that made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from backgroundtasks import clock
from indexing import documents
from tickets import asking, incidents, numbering, picklists, trackers, visibility
from tickets.models import (
    ExternalSystemLink,
    ExternalTicket,
    Incident,
    Picklist,
    PicklistItem,
    Project,
)

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from tickets.trackers.errors import TrackerError


class TicketRefused(Exception):
    """It can not be this ticket, now or later; the text is for people."""


class TicketUndecided(Exception):
    """A tracker that must be asked did not answer; it may later."""

    def __init__(self, error: TrackerError) -> None:
        super().__init__(str(error))
        self.retry_after: timedelta | None = error.retry_after


@dataclass(frozen=True, slots=True)
class Found:
    """A ticket, and the link whose tracker has it."""

    link: ExternalSystemLink
    ticket: trackers.Ticket


def usable_links(account_id: UUID, project_id: UUID) -> list[ExternalSystemLink]:
    """Return the defect trackers of a project that are switched on."""
    return list(
        ExternalSystemLink.objects.filter(
            account=account_id,
            project=project_id,
            type="Incident",
            enabled=True,
            external_system__enabled=True,
        )
        .select_related("external_system", "project")
        .order_by("name", "pk")
    )


def usable_link(account_id: UUID, link_id: UUID) -> ExternalSystemLink:
    """
    Return one defect tracker of a project.

    Raises:
        TicketRefused: the account has none of this id, or it is switched off.
    """
    link = (
        ExternalSystemLink.objects.filter(pk=link_id, account=account_id, type="Incident")
        .exclude(project__in=visibility.hidden_projects())
        .select_related("external_system", "project")
        .first()
    )
    if link is None:
        raise TicketRefused(f"The external system link {link_id} does not exist.")
    if not (link.enabled and link.external_system.enabled):
        raise TicketRefused(f"The external system link {link.name!r} is switched off.")
    return link


def find(links: Sequence[ExternalSystemLink], key: str, *, seconds: float) -> Found:
    """
    Return the ticket that a person means by a key; all trackers are asked at once.

    Raises:
        TicketRefused: none of them has it, or several have.
        TicketUndecided: one that may have it did not answer in time.
    """
    if not links:
        raise TicketRefused(f"The project has no defect tracker to find {key[:80]!r} in.")
    answers = asking.ask_all(links, lambda tracker: tracker.look_up(key), seconds=seconds)
    found = [Found(one.link, one.value) for one in answers if one.value is not None]
    errors = [one.error for one in answers if one.error is not None]
    # Of one ticket that two links lead to, the first link is as good as the second.
    same = {(one.link.external_system_id, one.ticket.id) for one in found}
    if len(same) > 1:
        places = [one.link.name for one in found]
        ambiguous = trackers.errors.TicketAmbiguous(key, places)
        raise TicketRefused(f"{ambiguous} (ExternalSystemLinkId)")
    for error in errors:
        if error.temporary:
            raise TicketUndecided(error)
    if not found:
        raise TicketRefused(" ".join(dict.fromkeys(map(str, errors))))
    return found[0]


def read(link: ExternalSystemLink, ticket_id: str, *, seconds: float) -> Found:
    """
    Return the ticket of a tracker's own id.

    Raises:
        TicketRefused: the tracker has none, or does not let us see it.
        TicketUndecided: it did not answer in time.
    """
    try:
        ticket = asking.ask(link, lambda tracker: tracker.read(ticket_id), seconds=seconds)
    except trackers.errors.TrackerError as error:
        if error.temporary:
            raise TicketUndecided(error) from None
        raise TicketRefused(str(error)) from None
    return Found(link, ticket)


def known(found: Found) -> ExternalTicket | None:
    """Return what an incident of the project is called in the tracker already; None for nothing."""
    return _rows(found).first()


def bring_together(found: Found, *, task_id: UUID, user_id: int | None) -> ExternalTicket:
    """
    Return the incident's side of a ticket; the incident is made unless there is one.

    Raises:
        TicketRefused: the project is not there any more.
    """
    project_id = found.link.project_id
    with transaction.atomic():
        # One at a time in a project: the second finds what the first one made.
        if not numbering.hold_project(project_id):
            raise TicketRefused(f"The project {project_id} does not exist.")
        row = _rows(found).select_for_update(of=("self",)).first()
        if row is not None:
            if row.link_id is None:
                # The link it was found by was removed, and references were kept.
                row.link = found.link
                row.save(update_fields=["link"])
            return row
        incident = incidents.create(_incident(found), user_id)
        row = ExternalTicket(
            account_id=found.link.account_id,
            incident=incident,
            link=found.link,
            external_system_id=found.link.external_system_id,
            project_id=project_id,
            linked_by=task_id,
        )
        remember(row, found.ticket, incident)
        row.save(force_insert=True)
        documents.index(Incident, [incident.pk])
    return row


def remember(row: ExternalTicket, ticket: trackers.Ticket, incident: Incident) -> None:
    """Put into a row how the ticket stands while it and the incident agree."""
    row.ticket_id = ticket.id
    row.key = ticket.key[:255]
    row.url = ticket.url[:1000]
    row.type = clean(ticket.kind, 255)
    row.summary = clean(ticket.summary, 1000)
    row.status = clean(ticket.status, 255)
    row.status_category = ticket.category.value
    row.priority = clean(ticket.priority, 255)
    row.assignee = clean(ticket.assignee, 255)
    row.version = ticket.version[:255]
    row.changed_at = ticket.updated_at
    row.incident_version = incident.version_number
    row.synchronized_at = clock.now()
    row.problem = ""


def clean(text: str, longest: int) -> str:
    """Return a tracker's text as both databases can store it."""
    return text.replace("\0", "").encode(errors="ignore").decode()[:longest]


def word(project: Project, picklist: Picklist, name: str) -> PicklistItem | None:
    """Return a tracker's word as one of the project's picklist; None for an empty one."""
    name = clean(name, 255).strip()
    return picklists.named(project, picklist, name) if name else None


def member_named(project: Project, login: str) -> User | None:
    """Return the member of the project's account who has the tracker's login; None for nobody."""
    if not login:
        return None
    member: User | None = project.account.members.filter(username__iexact=clean(login, 150)).first()
    return member


def _incident(found: Found) -> Incident:
    project, ticket = found.link.project, found.ticket
    return Incident(
        account_id=found.link.account_id,
        project=project,
        summary=clean(ticket.summary, 1000) or ticket.key,
        status=word(project, Picklist.INCIDENT_STATUS, ticket.status),
        type=word(project, Picklist.INCIDENT_TYPE, ticket.kind),
        priority=word(project, Picklist.PRIORITY, ticket.priority),
        assigned_to=member_named(project, ticket.assignee),
    )


def _rows(found: Found) -> QuerySet[ExternalTicket]:
    return ExternalTicket.objects.select_related(
        "incident", "link__external_system", "link__project"
    ).filter(
        external_system=found.link.external_system_id,
        project=found.link.project_id,
        ticket_id=found.ticket.id,
    )
