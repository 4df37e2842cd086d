"""`/api/executionpackages`, `/api/executionpackage/{id}`, its `children`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import removal
from tickets.api import collection, expansions, lookup
from tickets.api.serializers import ExecutionPackageChange, ExecutionPackageWrite
from tickets.models import ExecutionPackage

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "ParentId": "parent",
    "ProjectId": "project",
    "Stereotype": "stereotype",
    "OrderNumber": "order_number",
}
ORDER: Final = ("order_number", "name")
#: Packages within each other, at most.
DEEPEST: Final = 50


class ExecutionPackages(kit.ResourceView):
    """The account's execution packages."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of packages."""
        return collection.page(
            request,
            lookup.packages(self.actor),
            partial(expansions.packages, request),
            MEMBERS,
            order=ORDER,
            entity_type="ExecutionPackage",
        )

    def post(self, request: Request) -> kit.Response:
        """Create a package in a project, or in another package."""
        given = self.read(ExecutionPackageWrite)
        parent = project = None
        if given.get("ParentId"):
            parent = lookup.require(
                lookup.packages(self.actor), given["ParentId"], "execution package"
            )
            project = parent.project
        if given.get("ProjectId"):
            project = lookup.require(lookup.projects(self.actor), given["ProjectId"], "project")
        if project is None:
            raise kit.Refused("ProjectId: This field is required.")
        if parent is not None:
            _refuse_misplaced(parent, project.pk)
        row = ExecutionPackage(account=self.actor.account, project=project, parent=parent)
        _save(row, given)
        [body] = expansions.packages(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ExecutionPackageById(kit.ResourceView):
    """One execution package."""

    def get(self, request: Request, package_id: UUID) -> kit.Response:
        """Return the package."""
        row = _get(self.actor, package_id)
        return kit.Response(expansions.packages(request, [row])[0])

    def put(self, request: Request, package_id: UUID) -> kit.Response:
        """Change the package; it stays where it is, and what is left out stays as it is."""
        given = self.read(ExecutionPackageChange)
        with lookup.held(lookup.packages(self.actor), package_id, "execution package") as row:
            for name, stored in (("ProjectId", row.project_id), ("ParentId", row.parent_id)):
                if given.get(name) not in {None, stored}:
                    raise kit.Refused(f"{name}: An execution package stays where it is.")
            _save(row, given)
        return kit.Response(expansions.packages(request, [row])[0])

    def delete(self, request: Request, package_id: UUID) -> kit.Response:
        """Remove the package; what is in it only with `deleteChildren=true`."""
        row = _get(self.actor, package_id)
        said = request.query_params.get("deleteChildren", "false").lower()
        if said not in {"true", "false"}:
            raise kit.Refused("deleteChildren must be true or false.")
        if said == "false" and removal.has_contents(row):
            raise kit.Refused("The execution package is not empty: pass deleteChildren=true.")
        removal.finish(removal.remove(ExecutionPackage.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


class ExecutionPackageChildren(kit.ResourceView):
    """The packages in a package."""

    def get(self, request: Request, package_id: UUID) -> kit.Response:
        """Return a page of packages."""
        parent = _get(self.actor, package_id)
        return collection.page(
            request,
            lookup.packages(self.actor).filter(parent=parent),
            partial(expansions.packages, request),
            MEMBERS,
            order=ORDER,
        )


def _get(actor: Actor, package_id: UUID) -> ExecutionPackage:
    row: ExecutionPackage = lookup.get(lookup.packages(actor), package_id, "execution package")
    return row


def _save(row: ExecutionPackage, given: dict[str, Any]) -> None:
    if given.get("Name") is not None:
        row.name = given["Name"]
    if "Stereotype" in given:
        row.stereotype = given["Stereotype"]
    if given.get("OrderNumber") is not None:
        row.order_number = given["OrderNumber"]
    with transaction.atomic():
        row.save()
        documents.index(ExecutionPackage, [row.pk])


def _refuse_misplaced(parent: ExecutionPackage, project_id: UUID) -> None:
    if parent.project_id != project_id:
        raise kit.Refused(f"The execution package {parent.pk} is in another project.")
    depth = 1
    while parent.parent is not None:
        parent = parent.parent
        depth += 1
        if depth >= DEEPEST:
            raise kit.Refused(f"Execution packages may be nested {DEEPEST} deep.")
