"""
The words of a project's picklists.

A project begins with the ones below; a word that a tracker brings along is added when it is
first met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Value
from django.db.models.functions import Lower

from tickets.models import Picklist, PicklistItem

if TYPE_CHECKING:
    from tickets.models import Project

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
    items = PicklistItem.objects.filter(project=project, picklist=picklist)
    found = items.order_by("order_number", "name", "pk").first()
    return found or named(project, picklist, DEFAULTS[picklist][0])


def named(project: Project, picklist: Picklist, name: str) -> PicklistItem:
    """Return the word of this name, letter case aside; it is added if it is not there."""
    name = name.strip()[:255]
    items = PicklistItem.objects.filter(project=project, picklist=picklist)
    # As the constraint compares.
    of_the_name = items.alias(key=Lower("name")).filter(key=Lower(Value(name)))
    found = of_the_name.first()
    if found is not None:
        return found
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
    return of_the_name.get()
