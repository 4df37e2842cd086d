"""
Bringing tickets of trackers together with incidents, and incidents with what they were found by.

Every step here may be done again by another attempt, at any moment, and finds what was done:
the database's constraints decide, and rows know the task that made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction

from backgroundtasks import clock, kept
from indexing import documents
from tickets import asking, connections, incidents, numbering, picklists, trackers, visibility
from tickets.models import (
    ExternalSystemLink,
    ExternalTicket,
    Incident,
    Picklist,
    PicklistItem,
    Project,
)

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from tickets.models import ExternalSystem


class TicketRefused(Exception):
    """It cannot be this ticket, now or later; the text is for people."""


class LinkRefused(TicketRefused):
    """The tracker that the caller named cannot be asked: it is not there, or switched off."""


class TicketUndecided(Exception):
    """A tracker that must be asked did not answer; it may later."""

    def __init__(self, error: trackers.errors.TrackerError) -> None:
        super().__init__(str(error))
        self.retry_after = error.retry_after


@dataclass(frozen=True, slots=True)
class Found:
    """A ticket, and the link whose tracker has it."""

    link: ExternalSystemLink
    ticket: trackers.Ticket


def usable_links(account_id: UUID, project_id: UUID) -> list[ExternalSystemLink]:
    """Return the defect trackers of a project that are switched on; none of a hidden one."""
    return _usable_links(account_id, project_id)


@kept.shared
def _usable_links(account: UUID, project: UUID) -> QuerySet[ExternalSystemLink]:
    links = _links(account).filter(project=project, enabled=True, external_system__enabled=True)
    return links.order_by("name", "pk")


def links_of(system: ExternalSystem) -> list[ExternalSystemLink]:
    """Return the projects that use an external system as their defect tracker, and are not hidden."""
    links = _links(system.account_id).filter(external_system=system, enabled=True)
    return list(links.order_by("created_at", "pk"))


def usable_link(account_id: UUID, link_id: UUID) -> ExternalSystemLink:
    """
    Return one defect tracker of a project.

    Raises:
        LinkRefused: the account has none of this id, or it is switched off.
    """
    link = _link_of_id.first(account_id, link_id)
    if link is None:
        raise LinkRefused(f"The external system link {link_id} does not exist.")
    if not (link.enabled and link.external_system.enabled):
        raise LinkRefused(f"The external system link {link.name!r} is switched off.")
    return link


@kept.query
def _link_of_id(account: UUID, link: UUID) -> QuerySet[ExternalSystemLink]:
    return _links(account).filter(pk=link)


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
    if len({_same(one) for one in found}) > 1:
        ambiguous = trackers.errors.TicketAmbiguous(key, [one.link.name for one in found])
        raise TicketRefused(f"{ambiguous} (ExternalSystemLinkId)")
    for error in errors:
        if error.temporary:
            # Found or not: the one that is silent may have a ticket of this key, too.
            raise TicketUndecided(error)
    if not found:
        raise TicketRefused(" ".join(dict.fromkeys(map(str, errors))))
    return found[0]


def find_here(links: Sequence[ExternalSystemLink], keys: Iterable[str]) -> dict[str, Found]:
    """
    Return the tickets of those keys for which `find` returns one, of trackers that are all here.

    They are asked for together. `find` tells why another key has none.
    """
    wanted = list(dict.fromkeys(keys))
    found: dict[str, list[Found]] = {}
    for link in links:
        with suppress(trackers.errors.ConnectionInvalid):
            for key, ticket in connections.tracker_here(link).found_among(wanted).items():
                found.setdefault(key, []).append(Found(link, ticket))
    return {
        key: several[0]
        for key, several in found.items()
        if len({_same(one) for one in several}) == 1
    }


def read(link: ExternalSystemLink, ticket_id: str, *, seconds: float) -> Found:
    """
    Return the ticket of a tracker's own id.

    Raises:
        TicketRefused: the tracker has none, or does not let us see it.
        TicketUndecided: it did not answer in time.
    """
    try:
        return shown(link, ticket_id, seconds=seconds)
    except trackers.errors.TrackerError as error:
        if error.temporary:
            raise TicketUndecided(error) from None
        raise TicketRefused(str(error)) from None


def shown(link: ExternalSystemLink, ticket_id: str, *, seconds: float = asking.PATIENCE) -> Found:
    """
    Return the ticket of a tracker's own id, as far as the link shows it.

    A login may see more projects than the link's; of those only tickets are shown that were
    moved there after an incident was linked with them.

    Raises:
        TicketElsewhere: it is another project's.
        TrackerError: what the tracker, or the way to it, says otherwise.
    """
    ticket = asking.ask(link, lambda tracker: tracker.read(ticket_id), seconds=seconds)
    found = Found(link, ticket)
    ours = link.tracker_project
    elsewhere = ours and ticket.project and ticket.project.casefold() != ours.casefold()
    if elsewhere and not _known(*_identity(found)):
        raise trackers.errors.TicketElsewhere(link.external_system.name, ticket_id, ours)
    return found


def known(found: Found) -> ExternalTicket | None:
    """Return what an incident of the project is called in the tracker already; None for nothing."""
    return _used(found, _known.first(*_identity(found)))


def _used(found: Found, row: ExternalTicket | None) -> ExternalTicket | None:
    if row is None:
        return None
    if row.link_id is None:
        # The link that it was found by was removed, and references were kept.
        row.link = found.link
        _keep(row, ["link"])
    elif row.link_id == found.link.pk:
        row.link = found.link  # with all that was read of it
    return row


def held_known(found: Sequence[Found]) -> list[ExternalTicket | None]:
    """
    Return of each ticket the incident's side, which is held; None for one that has no incident.

    Within a transaction. Incidents are held in the order of their ids, as whoever holds several
    does, so that no two wait for each other.
    """
    asked = list({_identity(one) for one in found})
    incident_ids = dict(zip(asked, _incidents_known.each(asked), strict=True))
    identities = sorted(
        (one for one in asked if incident_ids[one]), key=lambda one: incident_ids[one]
    )
    rows = zip(identities, _held_known.each(identities), strict=True)
    known = {identity: several[0] for identity, several in rows if several}
    return [_used(one, known.get(_identity(one))) for one in found]


def bring_together(found: Found, *, task_id: UUID, user_id: int | None) -> ExternalTicket:
    """
    Return the incident's side of a ticket, which is held; the incident is made unless there is one.

    Within a transaction, which whoever comes second in the project waits for.

    Raises:
        TicketRefused: the project is not there any more.
    """
    row = _used(found, _held_known.first(*_identity(found)))
    if row is not None:
        return row
    # One at a time in a project: the second finds what the first one made.
    if not numbering.hold_project(found.link.project_id):
        raise TicketRefused(f"The project {found.link.project_id} does not exist.")
    row = _used(found, _held_known.first(*_identity(found)))
    return row or _made(found, task_id=task_id, user_id=user_id)


def adopt(row: ExternalTicket, ticket: trackers.Ticket) -> None:
    """
    Note that the ticket which was to be made for an incident is there.

    A new ticket has the status that its tracker gives; the incident takes it, for what it had may
    be none that the tracker knows.

    Raises:
        TicketRefused: somebody linked the new ticket with another incident meanwhile, or removed
            this one.
    """
    with transaction.atomic():
        _take_status(row.incident, ticket.status)
        remember(row, ticket, row.incident)
        if not _keep(row):
            raise TicketRefused(
                f"The ticket {ticket.key} is kept in step with another incident already."
            )
        documents.index(Incident, [row.incident_id])


def remember(row: ExternalTicket, ticket: trackers.Ticket, incident: Incident) -> None:
    """Put into a row how the ticket stands while it and the incident agree."""
    row.ticket_id = ticket.id
    row.key = clean(ticket.key, 255)
    row.url = clean(ticket.url, 1000)
    row.type = clean(ticket.kind, 255)
    row.summary = clean(ticket.summary, 1000)
    row.status = clean(ticket.status, 255)
    row.status_category = ticket.category.value
    row.priority = clean(ticket.priority, 255)
    row.assignee = clean(ticket.assignee, 255)
    row.version = clean(ticket.version, 255)
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
    login = clean(login, 150).strip()
    if not login:
        return None
    member: User | None = project.account.members.filter(username__iexact=login).first()
    return member


def _made(found: Found, *, task_id: UUID, user_id: int | None) -> ExternalTicket:
    """Make the incident of a ticket that has none."""
    project, ticket = found.link.project, found.ticket
    incident = incidents.create(
        Incident(
            account_id=found.link.account_id,
            project=project,
            summary=clean(ticket.summary, 1000) or ticket.key,
            status=word(project, Picklist.INCIDENT_STATUS, ticket.status),
            type=word(project, Picklist.INCIDENT_TYPE, ticket.kind),
            priority=word(project, Picklist.PRIORITY, ticket.priority),
            assigned_to=member_named(project, ticket.assignee),
        ),
        user_id,
        indexed=False,
    )
    row = ExternalTicket(
        account_id=found.link.account_id,
        incident=incident,
        link=found.link,
        external_system_id=found.link.external_system_id,
        project_id=project.pk,
        linked_by=task_id,
        assigned_to=incident.assigned_to,
    )
    remember(row, ticket, incident)
    kept.insert(row)
    documents.index(Incident, [incident.pk])
    return row


def _take_status(incident: Incident, status: str) -> None:
    """
    Let an incident have its new ticket's status, and a comment keep the one that it had.

    Of one that somebody changed since it was read, the rest is pushed later: its version stays
    the one that was read.

    Raises:
        TicketRefused: the incident was removed.
    """
    held = Incident.objects.select_for_update(no_key=True).filter(pk=incident.pk)
    now = held.values("status_id", "version_number").first()
    if now is None:
        raise TicketRefused(f"The incident {incident.pk} does not exist any more.")
    had = incident.status
    theirs = word(incident.project, Picklist.INCIDENT_STATUS, status)
    if theirs is None or theirs == had or now["status_id"] != incident.status_id:
        return
    incidents.change(incident.pk, None, {"status_id": theirs.pk})
    if had is not None:
        text = f"Status: the new ticket's {theirs.name!r} replaces {had.name!r}."
        incidents.comment(incident.pk, None, [text])
    if now["version_number"] == incident.version_number:
        incident.version_number += 1
        incident.status = theirs


def _keep(row: ExternalTicket, fields: list[str] | None = None) -> bool:
    """Store a row; return False, and leave it as it was, where another one has its place."""
    try:
        with transaction.atomic():
            row.save(update_fields=fields)
    except IntegrityError:
        return False
    return True


def _links(account_id: UUID) -> QuerySet[ExternalSystemLink]:
    links = ExternalSystemLink.objects.filter(account=account_id, type="Incident")
    return links.exclude(project__in=visibility.hidden_projects()).select_related(
        "external_system", "project"
    )


_KNOWN: Final = ("account", "incident", "link", "ticket_id", "key", "url", "linked_by")


@kept.query
def _known(system: UUID, project: UUID, ticket_id: str) -> QuerySet[ExternalTicket]:
    rows = ExternalTicket.objects.filter(external_system=system, project=project)
    return rows.filter(ticket_id=ticket_id).only(*_KNOWN)


@kept.query
def _incidents_known(system: UUID, project: UUID, ticket_id: str) -> QuerySet[ExternalTicket, UUID]:
    rows = ExternalTicket.objects.filter(external_system=system, project=project)
    return rows.filter(ticket_id=ticket_id).values_list("incident_id", flat=True)


@kept.query
def _held_known(system: UUID, project: UUID, ticket_id: str) -> QuerySet[ExternalTicket]:
    """Keep its incident from being removed until the transaction ends."""
    rows = ExternalTicket.objects.filter(external_system=system, project=project)
    rows = rows.filter(ticket_id=ticket_id).only(*_KNOWN, "incident__id")
    return rows.select_related("incident").select_for_update(no_key=True, of=("incident",))


def _same(found: Found) -> tuple[UUID, str]:
    """Return what two answers have in common that are one ticket."""
    return found.link.external_system_id, found.ticket.id


def _identity(found: Found) -> tuple[UUID, UUID, str]:
    return found.link.external_system_id, found.link.project_id, found.ticket.id
