"""`/api/automatedtestassignments`, `/api/automatedtestassignment/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import removal
from tickets.api import collection, expansions, lookup
from tickets.api.serializers import AssignmentChange, AssignmentWrite
from tickets.models import AutomatedTestAssignment

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "automated_test__name",
    "AutomatedTestId": "automated_test",
    "PackageId": "package",
    "AssignedTo": "assigned_to__username",
}


class Assignments(kit.ResourceView):
    """Which automated tests are to be run where."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of assignments."""
        return collection.page(
            request,
            lookup.assignments(self.actor),
            partial(expansions.assignments, request),
            MEMBERS,
            order=("automated_test__name",),
            entity_type="AutomatedTestAssignment",
        )

    def post(self, request: Request) -> kit.Response:
        """Put an automated test into an execution package of its project."""
        row = AutomatedTestAssignment(account=self.actor.account)
        _save(self.actor, row, self.read(AssignmentWrite))
        [body] = expansions.assignments(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class AssignmentById(kit.ResourceView):
    """One assignment."""

    def get(self, request: Request, assignment_id: UUID) -> kit.Response:
        """Return the assignment; its link `Runs` takes results."""
        row = lookup.get(lookup.assignments(self.actor), assignment_id, "automated test assignment")
        return kit.Response(expansions.assignments(request, [row])[0])

    def put(self, request: Request, assignment_id: UUID) -> kit.Response:
        """Change the assignment; what is left out stays as it is."""
        given = self.read(AssignmentChange)
        rows = lookup.assignments(self.actor)
        with lookup.held(rows, assignment_id, "automated test assignment") as row:
            _save(self.actor, row, given)
        return kit.Response(expansions.assignments(request, [row])[0])

    def delete(self, request: Request, assignment_id: UUID) -> kit.Response:
        """Remove the assignment with its runs."""
        rows = lookup.assignments(self.actor)
        row = lookup.get(rows, assignment_id, "automated test assignment")
        removal.finish(removal.remove(AutomatedTestAssignment.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


def _save(actor: Actor, row: AutomatedTestAssignment, given: dict[str, Any]) -> None:
    """Store an assignment with what a request gave, and index it."""
    if given.get("AutomatedTestId"):
        row.automated_test = lookup.require(
            lookup.automated_tests(actor), given["AutomatedTestId"], "automated test"
        )
    if given.get("PackageId"):
        row.package = lookup.require(
            lookup.packages(actor), given["PackageId"], "execution package"
        )
    if row.package.project_id != row.automated_test.project_id:
        raise kit.Refused("The automated test and the execution package are of two projects.")
    if "AssignedToId" in given:
        row.assigned_to = lookup.member(actor, given["AssignedToId"])
    with transaction.atomic():
        row.save()
        documents.index(AutomatedTestAssignment, [row.pk])
