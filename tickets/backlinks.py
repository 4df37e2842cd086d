"""
Links from tickets back to what they were found by.

The tracker knows a link by its global id, so that making it again finds it there; a row says
how far it is, so that an operator sees which ones could not be made, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.urls import NoReverseMatch, reverse

from tickets import conf, connections, trackers
from tickets.models import Backlink

if TYPE_CHECKING:
    from uuid import UUID

    from tickets.models import ExternalTicket

_LONGEST_TITLE: Final = 255


def make(
    ticket: ExternalTicket,
    route: str,
    parts: dict[str, UUID],
    *,
    title: str,
    task_id: UUID,
) -> str | None:
    """
    Let a ticket in its tracker lead back to a resource of ours, once.

    Args:
        ticket: With its link and that one's external system.
        route: Of the resource: `stepresult`.
        parts: Of its URL; the last one names the resource.
        title: For people in the tracker.
        task_id: The background task that does it.

    Returns:
        Why it could not be made, for people; None when it is there, or when the installation
        does not know its own address.

    Raises:
        TrackerError: a temporary one; it was noted, and is to be tried again.
    """
    url = _url(route, parts)
    if not url or ticket.link is None or ticket.ticket_id is None:
        return None
    link = trackers.Backlink(
        global_id=f"task-center:{route}:{[*parts.values()][-1]}",
        url=url,
        title=title[:_LONGEST_TITLE],
        summary=ticket.link.project.name,
    )
    row, _ = Backlink.objects.get_or_create(
        ticket=ticket,
        global_id=link.global_id,
        defaults={"url": link.url, "title": link.title, "made_by": task_id},
    )
    if row.state == Backlink.State.MADE:
        return None
    try:
        reference = connections.tracker_of(ticket.link).backlink(ticket.ticket_id, link)
    except trackers.errors.TrackerError as error:
        row.state = Backlink.State.WANTED if error.temporary else Backlink.State.FAILED
        row.problem = str(error)
        row.save(update_fields=["state", "problem", "updated_at"])
        if error.temporary:
            raise
        return row.problem
    row.state, row.reference, row.problem = Backlink.State.MADE, reference[:255], ""
    row.save(update_fields=["state", "reference", "problem", "updated_at"])
    return None


def _url(route: str, parts: dict[str, UUID]) -> str:
    """Return where people find the resource; empty when the installation knows no address."""
    if not conf.PUBLIC_URL:
        return ""
    try:
        return str(conf.PUBLIC_URL).rstrip("/") + reverse(route, kwargs=parts)
    except NoReverseMatch:  # a project that mounts no API
        return ""
