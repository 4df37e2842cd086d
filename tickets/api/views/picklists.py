"""
`/api/project/{id}/picklist/{type}` and one word of it.

The vendor's resource only lists; adding, renaming and removing words are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction

from backgroundtasks.api import kit
from tickets import picklists
from tickets.api import lookup
from tickets.api.picklists import OF_PROJECT, item
from tickets.api.serializers import PicklistItemChange, PicklistItemWrite
from tickets.models import Picklist, PicklistItem, Project

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from rest_framework.request import Request

MEMBERS: Final = {
    "Id": "id",
    "Text": "name",
    "SortOrder": "order_number",
    "Name": "name",
    "OrderNumber": "order_number",
}
#: Clients that have expanded a project know a picklist as `Components`.
_BY_NAME: Final = {
    name.lower(): picklist
    for name, picklist in (*((one.value, one) for one in Picklist), *OF_PROJECT.items())
}


class _OfProject(kit.ResourceView):
    def _project(self, project_id: UUID) -> Project:
        row: Project = lookup.get(lookup.projects(self.actor), project_id, "project")
        return row

    def _items(self, project_id: UUID, name: str) -> QuerySet[PicklistItem]:
        """Return the words of a picklist."""
        project, picklist = self._project(project_id), _named(name)
        return PicklistItem.objects.filter(project=project, picklist=picklist)


class ProjectPicklist(_OfProject):
    """One of a project's picklists."""

    def get(self, request: Request, project_id: UUID, picklist: str) -> kit.Response:
        """Return a page of words, in the order in which people choose from them."""
        items = self._items(project_id, picklist)
        return kit.page(request, items, item, MEMBERS, order=("order_number", "name"))

    def post(self, request: Request, project_id: UUID, picklist: str) -> kit.Response:
        """Add a word; it goes behind the others unless its place is given. 409 when it is there."""
        project = self._project(project_id)
        given = self.read(PicklistItemWrite)
        row = PicklistItem(
            account_id=project.account_id, project=project, picklist=_named(picklist)
        )
        row.name = given["Text"]
        place = given.get("SortOrder")
        row.order_number = (
            picklists.next_number(project.pk, row.picklist) if place is None else place
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise _overtaken(row, error) from error
        return kit.Response(item(row), 201, headers={"Location": _self(request, row)})


class ProjectPicklistItem(_OfProject):
    """One word."""

    def get(self, request: Request, project_id: UUID, picklist: str, item_id: UUID) -> kit.Response:
        """Return the word."""
        return kit.Response(item(self._row(project_id, picklist, item_id)))

    def put(self, request: Request, project_id: UUID, picklist: str, item_id: UUID) -> kit.Response:
        """Rename or move the word; what has chosen it keeps it, and is found by its new name."""
        row = self._row(project_id, picklist, item_id)
        given = self.read(PicklistItemChange)
        columns = {"Text": "name", "SortOrder": "order_number"}
        values = {
            column: given[name]
            for name, column in columns.items()
            # Clients send back what they were shown, and thousands of incidents may have its name.
            if given.get(name) not in {None, getattr(row, column)}
        }
        row.name = values.get("name", row.name)
        try:
            picklists.change(row, values)
        except picklists.WordGone:
            raise kit.NotFound(f"The word {item_id} does not exist.") from None
        except IntegrityError as error:
            raise _overtaken(row, error) from error
        return kit.Response(item(self._row(project_id, picklist, item_id)))

    def delete(
        self, request: Request, project_id: UUID, picklist: str, item_id: UUID
    ) -> kit.Response:
        """Remove the word; what has chosen it has not any more."""
        picklists.remove(self._row(project_id, picklist, item_id))
        return kit.Response(status=200)

    def _row(self, project_id: UUID, picklist: str, item_id: UUID) -> PicklistItem:
        row: PicklistItem = lookup.get(self._items(project_id, picklist), item_id, "word")
        return row


def _named(name: str) -> Picklist:
    """Return a picklist by its name or that of the project's expansion, in any letter case."""
    picklist = _BY_NAME.get(name.lower())
    if picklist is None:
        raise kit.NotFound(f"There is no picklist {name!r}; there are {', '.join(Picklist)}.")
    return picklist


def _self(request: Request, row: PicklistItem) -> str:
    return kit.link(
        request,
        "project-picklist-item",
        project_id=row.project_id,
        picklist=row.picklist,
        item_id=row.pk,
    )


def _overtaken(row: PicklistItem, error: IntegrityError) -> Exception:
    """Return that the name is taken, unless it is the project that has gone."""
    there = PicklistItem.objects.filter(
        project=row.project_id, picklist=row.picklist, name__iexact=row.name
    )
    if there.exists():
        return kit.Conflict(f"The picklist {row.picklist} has {row.name!r} already.")
    return error
