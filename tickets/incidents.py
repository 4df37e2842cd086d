"""Making and changing incidents, by people and by tasks; the search index follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from backgroundtasks import kept
from indexing import documents
from tickets import numbering, picklists, removal
from tickets.models import (
    ExternalTicket,
    Incident,
    IncidentComment,
    IncidentPick,
    PickedAs,
    Picklist,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from uuid import UUID

    from django.db.models import QuerySet

    #: What an incident picks of the words that it may have several of, all of its project: their ids.
    Picks = Mapping[PickedAs, Collection[UUID]]


class IncidentGone(Exception):
    """Somebody removed the incident meanwhile."""


def create(
    incident: Incident,
    user_id: int | None,
    *,
    picks: Picks | None = None,
    indexed: bool = True,
) -> Incident:
    """
    Store a new incident of a project: it gets the project's next number.

    Takes part in the caller's transaction; what it does not choose from picklists gets their
    first words.

    Args:
        incident: Not stored yet.
        user_id: Who makes it; None for a tracker.
        picks: Its versions and components.
        indexed: Put it into the search index; False when the caller does, after what it adds.
    """
    with transaction.atomic():
        incident.number = numbering.next_number(Incident, incident.project_id)
        project = incident.project
        incident.status = incident.status or picklists.first(project, Picklist.INCIDENT_STATUS)
        incident.priority = incident.priority or picklists.first(project, Picklist.PRIORITY)
        incident.type = incident.type or picklists.first(project, Picklist.INCIDENT_TYPE)
        incident.created_by_id = incident.last_updated_by_id = user_id
        kept.insert(incident)
        _pick(incident.pk, picks or {})
        if indexed:
            documents.index(Incident, [incident.pk])
    return incident


def change(
    incident_id: UUID,
    user_id: int | None,
    values: dict[str, Any],
    picks: Picks | None = None,
) -> bool:
    """
    Change an incident, and raise its version when that changed something.

    Args:
        incident_id: Of the incident.
        user_id: Who does it; None for a tracker.
        values: Column (`status_id`) to value.
        picks: Its versions and components; those that are not named stay.

    Returns:
        Whether anything is different now.

    Raises:
        IncidentGone: it is not there any more.
    """
    with transaction.atomic():
        row = (
            Incident.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk=incident_id)
            .first()
        )
        if row is None:
            raise IncidentGone
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        if not _pick(incident_id, picks or {}) and not changed:
            return False
        for name in changed:
            setattr(row, name, values[name])
        row.version_number += 1
        row.last_updated_by_id = user_id
        row.save(update_fields=[*changed, "version_number", "last_updated_by_id", "updated_at"])
        documents.index(Incident, [row.pk])
    return True


def picked(picked_as: PickedAs) -> Subquery:
    """Return the names of what an incident has picked, as an expression; `documents.apart` reads it."""
    picks = IncidentPick.objects.filter(incident=OuterRef("pk"), picked_as=picked_as)
    names = picks.order_by().values("incident").annotate(names=documents.Joined("item__name"))
    return Subquery(names.values("names"))


def _pick(incident_id: UUID, picks: Picks) -> bool:
    """Make what is picked of each kind these words; return whether it was anything else."""
    there = {
        (picked_as, item): pk
        for pk, picked_as, item in IncidentPick.objects.filter(
            incident=incident_id, picked_as__in=list(picks)
        ).values_list("pk", "picked_as", "item")
    }
    wanted = {(picked_as.value, item) for picked_as, items in picks.items() for item in items}
    stale = [pk for key, pk in there.items() if key not in wanted]
    new = sorted(wanted - there.keys())
    if stale:
        IncidentPick.objects.filter(pk__in=stale).delete()
    IncidentPick.objects.bulk_create(
        IncidentPick(incident_id=incident_id, picked_as=picked_as, item_id=item)
        for picked_as, item in new
    )
    return bool(stale or new)


def comment(incident_id: UUID, user_id: int | None, texts: Iterable[str]) -> None:
    """
    Add comments to an incident, in order.

    Raises:
        IncidentGone: it is not there any more.
    """
    with transaction.atomic():
        hold(incident_id)
        for text in texts:
            IncidentComment.objects.create(
                incident_id=incident_id, text=text, created_by_id=user_id
            )


def hold(incident_id: UUID) -> None:
    """
    Keep an incident from being removed until the transaction ends.

    Raises:
        IncidentGone: it is not there any more.
    """
    if not _held(incident_id):
        raise IncidentGone


@kept.query
def _held(incident: UUID) -> QuerySet[Incident, UUID]:
    rows = Incident.objects.select_for_update(no_key=True).filter(pk=incident)
    return rows.values_list("pk", flat=True)


def remove(incident_id: UUID) -> None:
    """Remove an incident with its comments, links and references; tickets stay in their trackers."""
    removal.finish(removal.remove(Incident.objects.filter(pk=incident_id)))


def forget_tickets(tickets: QuerySet[ExternalTicket]) -> None:
    """Remove references to tickets, in short transactions; the incidents stay."""
    while batch := dict(tickets.order_by().values_list("pk", "incident_id")[: removal.BATCH]):
        with transaction.atomic():
            removal.finish(removal.remove(ExternalTicket.objects.filter(pk__in=list(batch))))
            documents.index(Incident, set(batch.values()))
