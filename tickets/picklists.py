"""
The words of a project's picklists.

A project begins with the ones below; a word that a tracker brings along is added when it is
first met. Versions and components it has none of before somebody adds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Max, TextField
from django.db.models.functions import Lower

from backgroundtasks import kept
from indexing import documents
from tickets import removal
from tickets.models import AgileRun, Incident, IncidentPick, Picklist, PicklistItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from django.db.models import Model, QuerySet

    from tickets.models import Project

#: The last place that a column has room for.
_LAST: Final = 2**31 - 1

#: In the order in which they are shown; the first is what new entities get.
DEFAULTS: Final[dict[Picklist, tuple[str, ...]]] = {
    Picklist.PRIORITY: ("Medium", "Low", "High", "Critical"),
    Picklist.STATUS: ("Draft", "Ready", "Approved"),
    Picklist.TEST_TYPE: ("Functional", "Exploratory", "Regression"),
    Picklist.INCIDENT_STATUS: ("Open", "In Progress", "Resolved", "Closed"),
    Picklist.INCIDENT_TYPE: ("Bug", "Task", "Improvement"),
    Picklist.INCIDENT_RESOLUTION: ("Fixed", "Won't Fix", "Duplicate", "Cannot Reproduce"),
}


def provide(project: Project) -> None:
    """Give a project the words that it has not; doing it again does no harm."""
    PicklistItem.objects.bulk_create(
        (
            PicklistItem(
                account_id=project.account_id,
                project=project,
                picklist=picklist,
                name=name,
                order_number=number,
            )
            for picklist, names in DEFAULTS.items()
            for number, name in enumerate(names)
        ),
        ignore_conflicts=True,
    )


def first(project: Project, picklist: Picklist) -> PicklistItem:
    """Return what a new entity gets: the first word of the picklist."""
    found = _first.first(project.pk, picklist.value)
    return found or named(project, picklist, DEFAULTS[picklist][0])


@kept.query
def _first(project: UUID, picklist: str) -> QuerySet[PicklistItem]:
    items = PicklistItem.objects.filter(project=project, picklist=picklist)
    return items.order_by("order_number", "name", "pk")[:1]


def named(project: Project, picklist: Picklist, name: str) -> PicklistItem:
    """Return the word of this name, letter case aside; it is added if it is not there."""
    name = name.strip()[:255]
    found = _named.first(project.pk, picklist.value, name)
    if found is not None:
        return found
    items = PicklistItem.objects.filter(project=project, picklist=picklist)
    PicklistItem.objects.bulk_create(
        [
            PicklistItem(
                account_id=project.account_id,
                project=project,
                picklist=picklist,
                name=name,
                order_number=items.count(),
            )
        ],
        # Somebody may add it at this very moment.
        ignore_conflicts=True,
    )
    [found] = _named(project.pk, picklist.value, name)
    return found


@kept.query
def _named(project: UUID, picklist: str, name: str) -> QuerySet[PicklistItem]:
    items = PicklistItem.objects.filter(project=project, picklist=picklist)
    # As the constraint compares.
    return items.alias(key=Lower("name")).filter(key=Lower(name, output_field=TextField()))


def next_number(project_id: UUID, picklist: str) -> int:
    """Return the place behind all words of a picklist; beside the last one if there is no other."""
    items = PicklistItem.objects.filter(project=project_id, picklist=picklist)
    highest = items.aggregate(highest=Max("order_number"))["highest"]
    return 0 if highest is None else min(int(highest) + 1, _LAST)


class WordGone(Exception):
    """Somebody removed the word meanwhile."""


def change(item: PicklistItem, values: Mapping[str, Any]) -> None:
    """
    Store another name or place of a word that is there; what search finds by it follows.

    The word is stored first, and then what names it batch by batch, each in a transaction of
    its own: a word may have been chosen a hundred thousand times.

    Args:
        item: The word.
        values: `name`, `order_number`, or both.

    Raises:
        IntegrityError: the picklist has that name already.
        WordGone: it is not there any more.
    """
    if not values:
        return
    with transaction.atomic():
        if not PicklistItem.objects.filter(pk=item.pk).update(**values):
            raise WordGone
    if "name" not in values:
        return
    for model, ids in _naming(item):
        with transaction.atomic():
            documents.index(model, ids)


def remove(item: PicklistItem) -> None:
    """Remove a word; what has chosen it has not any more."""
    removal.finish(removal.remove(PicklistItem.objects.filter(pk=item.pk)))


def _naming(item: PicklistItem) -> Iterator[tuple[type[Model], list[UUID]]]:
    """Yield the entities whose documents hold a word, a batch at a time."""
    for column in ("status", "priority", "type", "resolution"):
        for ids in _batches(Incident.objects.filter(**{column: item}), "pk"):
            yield Incident, ids
    for column in ("priority", "type"):
        for ids in _batches(AgileRun.objects.filter(**{column: item}), "pk"):
            yield AgileRun, ids
    for ids in _batches(IncidentPick.objects.filter(item=item), "incident_id"):
        yield Incident, ids


def _batches(rows: QuerySet[Any], column: str) -> Iterator[list[UUID]]:
    last = None
    while True:
        rest = rows if last is None else rows.filter(**{f"{column}__gt": last})
        ids = list(rest.order_by(column).values_list(column, flat=True).distinct()[: removal.BATCH])
        if not ids:
            return
        yield ids
        last = ids[-1]
