"""
Links from tickets back to what they were found by.

The tracker knows a link by its global id, so that making it again finds it there; a row says
how far it is, so that an operator sees which ones could not be made, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.urls import NoReverseMatch, reverse

from tickets import conf, connections, trackers
from tickets.models import Backlink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from tickets.models import ExternalTicket

_LONGEST_TITLE: Final = 255


def want(
    ticket: ExternalTicket, route: str, parts: Mapping[str, Any], *, title: str, task_id: UUID
) -> Backlink | None:
    """
    Note that a ticket is to lead back to a resource of ours; once, however often it is asked.

    Args:
        ticket: In its tracker.
        route: Of the resource: `stepresult`.
        parts: Of its URL; the last one names the resource.
        title: For people in the tracker.
        task_id: The background task that does it.

    Returns:
        The row; None when the installation does not know its own address.
    """
    url = _url(route, parts)
    if not url:
        return None
    row = Backlink(
        ticket=ticket,
        global_id=f"task-center:{route}:{[*parts.values()][-1]}",
        url=url,
        title=title[:_LONGEST_TITLE],
        made_by=task_id,
    )
    Backlink.objects.bulk_create([row], ignore_conflicts=True)
    return Backlink.objects.get(ticket=ticket, global_id=row.global_id)


def make(row: Backlink, ticket: ExternalTicket) -> str:
    """
    Let the ticket in its tracker lead back, unless it does.

    Args:
        row: What `want` returned.
        ticket: The row's, with its link and that one's external system and project.

    Returns:
        Why it could not be made, for people; empty when it is there.

    Raises:
        TrackerError: a temporary one; it was noted, and is to be tried again.
    """
    if row.state == Backlink.State.MADE:
        return ""
    if ticket.link is None or ticket.ticket_id is None:
        return _noted(row, "The ticket's tracker is not linked with the project any more.")
    link = trackers.Backlink(
        global_id=row.global_id,
        url=row.url,
        title=row.title,
        summary=ticket.link.project.name,
    )
    try:
        reference = connections.tracker_of(ticket.link).backlink(ticket.ticket_id, link)
    except trackers.errors.TrackerError as error:
        if not error.temporary:
            return _noted(row, str(error))
        _noted(row, str(error), Backlink.State.WANTED)
        raise
    row.reference = reference[:255]
    return _noted(row, "", Backlink.State.MADE)


def _noted(row: Backlink, problem: str, state: Backlink.State = Backlink.State.FAILED) -> str:
    row.state, row.problem = state, problem
    row.save(update_fields=["state", "reference", "problem", "updated_at"])
    return problem


def _url(route: str, parts: Mapping[str, Any]) -> str:
    """Return where people find the resource; empty when the installation knows no address."""
    if not conf.PUBLIC_URL:
        return ""
    try:
        return str(conf.PUBLIC_URL).rstrip("/") + reverse(route, kwargs=dict(parts))
    except NoReverseMatch:  # a project that mounts no API
        return ""
