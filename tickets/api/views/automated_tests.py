"""`/api/automatedtests`, `/api/automatedtest/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import removal
from tickets.api import collection, expansions, lookup
from tickets.api.serializers import AutomatedTestChange, AutomatedTestWrite
from tickets.models import AutomatedTest, AutomatedTestAssignment

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "ProjectId": "project",
    "PackageId": "package",
    "Type": "type",
}


class AutomatedTests(kit.ResourceView):
    """The account's automated tests."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of automated tests."""
        return collection.page(
            request,
            lookup.automated_tests(self.actor),
            partial(expansions.automated_tests, request),
            MEMBERS,
            order=("name",),
            entity_type="AutomatedTest",
        )

    def post(self, request: Request) -> kit.Response:
        """Create an automated test; its project may be left to its package."""
        given = self.read(AutomatedTestWrite)
        row = AutomatedTest(account=self.actor.account)
        if not (given.get("ProjectId") or given.get("PackageId")):
            raise kit.Refused("ProjectId: This field is required.")
        _place(self.actor, row, given)
        _save(row, given)
        [body] = expansions.automated_tests(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class AutomatedTestById(kit.ResourceView):
    """One automated test."""

    def get(self, request: Request, test_id: UUID) -> kit.Response:
        """Return the automated test."""
        row = lookup.get(lookup.automated_tests(self.actor), test_id, "automated test")
        return kit.Response(expansions.automated_tests(request, [row])[0])

    def put(self, request: Request, test_id: UUID) -> kit.Response:
        """Change the automated test; members that are left out stay as they are."""
        given = self.read(AutomatedTestChange)
        with lookup.held(lookup.automated_tests(self.actor), test_id, "automated test") as row:
            if given.get("ProjectId") not in {None, row.project_id}:
                raise kit.Refused("An automated test stays in its project.")
            _place(self.actor, row, given)
            _save(row, given)
        return kit.Response(expansions.automated_tests(request, [row])[0])

    def delete(self, request: Request, test_id: UUID) -> kit.Response:
        """Remove the automated test with its assignments and their runs."""
        row = lookup.get(lookup.automated_tests(self.actor), test_id, "automated test")
        removal.finish(removal.remove(AutomatedTest.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


def _place(actor: Actor, row: AutomatedTest, given: dict[str, Any]) -> None:
    """Put the test into the project and the package that a request names."""
    if given.get("ProjectId"):
        row.project = lookup.require(lookup.projects(actor), given["ProjectId"], "project")
    if "PackageId" not in given:
        return
    row.package = None
    if given["PackageId"]:
        package = lookup.require(lookup.packages(actor), given["PackageId"], "execution package")
        in_a_project = bool(given.get("ProjectId")) or not row._state.adding  # noqa: SLF001
        if in_a_project and package.project_id != row.project_id:
            raise kit.Refused(f"The execution package {package.pk} is in another project.")
        row.project_id = package.project_id
        row.package = package


def _save(row: AutomatedTest, given: dict[str, Any]) -> None:
    for name, column in (("Name", "name"), ("Type", "type"), ("Configuration", "configuration")):
        if given.get(name) is not None:
            setattr(row, column, given[name])
    with transaction.atomic():
        row.save()
        documents.index(AutomatedTest, [row.pk])
        # An assignment is found by the name of its test.
        bearers = AutomatedTestAssignment.objects.filter(automated_test=row)
        documents.index(AutomatedTestAssignment, bearers.values_list("pk", flat=True))
