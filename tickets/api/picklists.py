"""The words of a project's picklists as JSON, and as requests name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets.api import expanding
from tickets.models import PickedAs, Picklist, PicklistItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

#: A project's expansion -> the picklist that it shows.
OF_PROJECT: Final = {
    "Statuses": Picklist.STATUS,
    "Priorities": Picklist.PRIORITY,
    "TestTypes": Picklist.TEST_TYPE,
    "IncidentTypes": Picklist.INCIDENT_TYPE,
    "IncidentStatuses": Picklist.INCIDENT_STATUS,
    "IncidentResolutions": Picklist.INCIDENT_RESOLUTION,
    "Versions": Picklist.VERSION,
    "Components": Picklist.COMPONENT,
}
#: Member of an incident -> as what it picks words, and of which picklist.
PICKS: Final = {
    "AffectedVersionIds": (PickedAs.AFFECTED_VERSION, Picklist.VERSION),
    "FixedVersionIds": (PickedAs.FIXED_VERSION, Picklist.VERSION),
    "ComponentIds": (PickedAs.COMPONENT, Picklist.COMPONENT),
}


def item(row: PicklistItem) -> dict[str, Any]:
    """Return one word of a picklist: `Text` and `SortOrder` are the vendor's, the rest ours."""
    return {
        "Id": row.pk,
        "Text": row.name,
        "SortOrder": row.order_number,
        "IsEnable": True,
        "Name": row.name,
        "OrderNumber": row.order_number,
        "ProjectId": row.project_id,
    }


def collection(rows: Iterable[PicklistItem]) -> dict[str, Any]:
    """Return several words that one entity has picked."""
    items = list(rows)
    return {"Items": [item(row) for row in items], "Text": ", ".join(row.name for row in items)}


def picked(
    rows: Sequence[Any],
    columns: Mapping[str, str],
    represent: Callable[[PicklistItem], Any],
) -> dict[str, expanding.Found]:
    """
    Return what each row chose, by expansion; None where it chose nothing. One query.

    Args:
        rows: Of one model.
        columns: Expansion -> the field that leads to the picklist's item.
        represent: Makes the JSON of an item.
    """
    if not columns:
        return {}
    ids = {getattr(row, f"{column}_id") for row in rows for column in columns.values()}
    items = {row.pk: represent(row) for row in PicklistItem.objects.filter(pk__in=ids - {None})}
    return {
        name: {row.pk: items.get(getattr(row, f"{column}_id")) for row in rows}
        for name, column in columns.items()
    }


def of_projects(rows: Iterable[Any], wanted: Iterable[str]) -> dict[str, expanding.Found]:
    """Return the picklists of projects, by expansion. One query."""
    names = [name for name in OF_PROJECT if name in set(wanted)]
    if not names:
        return {}
    ids = [row.pk for row in rows]
    found: dict[str, expanding.Found] = {name: {pk: [] for pk in ids} for name in names}
    shown = {OF_PROJECT[name]: name for name in names}
    items = PicklistItem.objects.filter(project__in=ids, picklist__in=list(shown))
    for row in items.order_by("order_number", "name", "pk"):
        found[shown[Picklist(row.picklist)]][row.project_id].append(item(row))
    return found


def choose(row: Any, given: Mapping[str, Any], choices: Mapping[str, tuple[str, Picklist]]) -> None:
    """
    Put the words that a request names by their ids into a row; null takes one away.

    Args:
        row: Of a project.
        given: The request's body.
        choices: Member -> the field of the row, and the picklist that it chooses from.

    Raises:
        Refused: the project's picklist has no such item.
    """
    for name, (column, picklist) in choices.items():
        if name not in given:
            continue
        chosen = given[name]
        if chosen is None:
            setattr(row, column, None)
        else:
            setattr(row, column, _item(row.project_id, picklist, chosen, name))


def pick(project_id: UUID, given: Mapping[str, Any]) -> dict[PickedAs, list[UUID]]:
    """
    Return the versions and components that a request names by their ids; null and [] are none.

    One query for each picklist that is named.

    Raises:
        Refused: the project's picklist has no such item.
    """
    picked: dict[PickedAs, list[UUID]] = {}
    for name, (picked_as, picklist) in PICKS.items():
        if name not in given:
            continue
        # The vendor's clients send zeros where they have nothing.
        ids = list(dict.fromkeys(one for one in given[name] or [] if one is not None))
        items = PicklistItem.objects.filter(project=project_id, picklist=picklist, pk__in=ids)
        there = set(items.values_list("pk", flat=True))
        for identity in ids:
            if identity not in there:
                raise _unknown(name, picklist, identity)
        picked[picked_as] = ids
    return picked


def _item(project_id: UUID, picklist: Picklist, identity: UUID, name: str) -> PicklistItem:
    found = PicklistItem.objects.filter(project=project_id, picklist=picklist, pk=identity).first()
    if found is None:
        raise _unknown(name, picklist, identity)
    return found


def _unknown(name: str, picklist: Picklist, identity: UUID) -> kit.Refused:
    return kit.Refused(f"{name}: The project's picklist {picklist.value} has no {identity}.")
