"""`/api/automatedtestassignments`, `/api/automatedtestassignment/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets.api import collection, expansions, lookup
from tickets.api.serializers import AssignmentWrite
from tickets.models import AutomatedTestAssignment

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

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
        given = self.read(AssignmentWrite)
        actor = self.actor
        test = lookup.require(
            lookup.automated_tests(actor), given["AutomatedTestId"], "automated test"
        )
        package = lookup.require(lookup.packages(actor), given["PackageId"], "execution package")
        if package.project_id != test.project_id:
            raise kit.Refused("The automated test and the execution package are of two projects.")
        row = AutomatedTestAssignment(
            account=actor.account,
            automated_test=test,
            package=package,
            assigned_to=lookup.member(actor, given.get("AssignedToId")),
        )
        with transaction.atomic():
            row.save()
            documents.index(AutomatedTestAssignment, [row.pk])
        [body] = expansions.assignments(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class AssignmentById(kit.ResourceView):
    """One assignment."""

    def get(self, request: Request, assignment_id: UUID) -> kit.Response:
        """Return the assignment; its link `Runs` takes results."""
        row = lookup.get(lookup.assignments(self.actor), assignment_id, "automated test assignment")
        return kit.Response(expansions.assignments(request, [row])[0])
