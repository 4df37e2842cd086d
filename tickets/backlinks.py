"""
Links from tickets back to what they were found by.

The tracker knows a link by its global id, so that making it again finds it there; a row says
how far it is, so that an operator sees which ones could not be made, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.urls import NoReverseMatch, reverse

from backgroundtasks import kept
from tickets import conf, connections, trackers
from tickets.models import Backlink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from tickets.linking import Found
    from tickets.models import ExternalSystemLink, ExternalTicket

_LONGEST_TITLE: Final = 255
#: What asking the tracker changes.
_OUTCOME: Final = ("state", "reference", "problem", "updated_at")


def wish(
    ticket: ExternalTicket, route: str, parts: Mapping[str, Any], *, title: str, task_id: UUID
) -> Backlink | None:
    """
    Return that a ticket is to lead back to a resource of ours; `keep` stores it.

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
    return Backlink(
        ticket=ticket,
        global_id=f"task-center:{route}:{[*parts.values()][-1]}",
        url=url,
        title=title[:_LONGEST_TITLE],
        made_by=task_id,
    )


def keep(row: Backlink) -> Backlink:
    """
    Store a wish once, however often it is asked, or how it was met; return the row that is stored.

    One that is stored already stays as it is, unless the tracker was asked since.
    """
    if row.state != Backlink.State.WANTED:
        keep_each([row])
    elif not kept.insert_once(row):
        return Backlink.objects.get(ticket=row.ticket_id, global_id=row.global_id)
    return row


def keep_each(rows: Sequence[Backlink]) -> None:
    """Store how wishes were met that the tracker was asked, all together."""
    kept.upsert_each(rows, unique=("ticket", "global_id"), update=_OUTCOME)


def make(row: Backlink, ticket: ExternalTicket) -> str:
    """
    Let the ticket in its tracker lead back, unless it does; the row notes how that went.

    Args:
        row: What `keep` returned.
        ticket: The row's, with its link and that one's external system and project.

    Returns:
        Why it could not be made, for people; empty when it is there.

    Raises:
        TrackerError: a temporary one; it was noted, and is to be tried again.
    """
    if row.state == Backlink.State.MADE:
        return ""
    try:
        ask(row, ticket)
    finally:
        row.save(update_fields=_OUTCOME)
    return row.problem


def ask(row: Backlink, ticket: ExternalTicket) -> None:
    """
    Let the ticket in its tracker lead back, and put into the row how that went; it is not stored.

    Raises:
        TrackerError: a temporary one; it is to be tried again.
    """
    row.state = Backlink.State.FAILED
    if ticket.link is None or ticket.ticket_id is None:
        row.problem = "The ticket's tracker is not linked with the project any more."
        return
    link = _link(row, ticket.link)
    try:
        reference = connections.tracker_of(ticket.link).backlink(ticket.ticket_id, link)
    except trackers.errors.TrackerError as error:
        row.problem = str(error)
        if error.temporary:
            row.state = Backlink.State.WANTED
            raise
    else:
        _note_made(row, reference)


def make_here(wishes: Sequence[tuple[Backlink, Found]]) -> None:
    """
    Let tickets of the built-in tracker lead back, and store that they do; all together.

    Within a transaction.

    Args:
        wishes: What `wish` returned, and the ticket.

    Raises:
        TrackerError: one of them cannot be made.
    """
    by_link: dict[UUID, list[tuple[Backlink, Found]]] = {}
    for wanted, found in wishes:
        by_link.setdefault(found.link.pk, []).append((wanted, found))
    for several in by_link.values():
        link = several[0][1].link
        references = connections.tracker_here(link).backlink_each(
            [(found.ticket.id, _link(wanted, link)) for wanted, found in several]
        )
        for (wanted, _), reference in zip(several, references, strict=True):
            _note_made(wanted, reference)
    keep_each([wanted for wanted, _ in wishes])


def _note_made(row: Backlink, reference: str) -> None:
    row.state, row.reference, row.problem = Backlink.State.MADE, reference[:255], ""


def _link(row: Backlink, link: ExternalSystemLink) -> trackers.Backlink:
    return trackers.Backlink(
        global_id=row.global_id, url=row.url, title=row.title, summary=link.project.name
    )


def _url(route: str, parts: Mapping[str, Any]) -> str:
    """Return where people find the resource; empty when the installation knows no address."""
    if not conf.PUBLIC_URL:
        return ""
    try:
        return str(conf.PUBLIC_URL).rstrip("/") + reverse(route, kwargs=dict(parts))
    except NoReverseMatch:  # a project that mounts no API
        return ""
