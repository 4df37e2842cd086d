"""`/api/scriptassignments`, `/api/scriptassignment/{id}`, `/api/script/{id}/assignments`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import removal
from tickets.api import collection, lookup
from tickets.api.manual import bodies
from tickets.api.manual.serializers import (
    AssignmentOfScript,
    ScriptAssignmentChange,
    ScriptAssignmentWrite,
)
from tickets.models import ScriptAssignment

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "script__name",
    "ScriptId": "script",
    "PackageId": "package",
    "AssignedTo": "assigned_to__username",
}
_ORDER: Final = ("script__name",)


class ScriptAssignments(kit.ResourceView):
    """Which scripts are to be run where."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of script assignments."""
        return collection.page(
            request,
            lookup.script_assignments(self.actor),
            partial(bodies.assignments, request),
            MEMBERS,
            order=_ORDER,
            entity_type="TestScriptAssignment",
        )

    def post(self, request: Request) -> kit.Response:
        """Put a script into an execution package of its project."""
        return _create(self.actor, request, self.read(ScriptAssignmentWrite))


class AssignmentsOfScript(kit.ResourceView):
    """The assignments of one script."""

    def get(self, request: Request, script_id: UUID) -> kit.Response:
        """Return a page of script assignments."""
        script = lookup.get(lookup.scripts(self.actor), script_id, "script")
        return collection.page(
            request,
            lookup.script_assignments(self.actor).filter(script=script),
            partial(bodies.assignments, request),
            MEMBERS,
            order=_ORDER,
        )

    def post(self, request: Request, script_id: UUID) -> kit.Response:
        """Put the script into an execution package of its project."""
        script = lookup.get(lookup.scripts(self.actor), script_id, "script")
        given = self.read(AssignmentOfScript)
        if given.get("ScriptId") not in {None, script.pk}:
            raise kit.Refused("ScriptId: It is another script's than the resource's.")
        return _create(self.actor, request, {**given, "ScriptId": script.pk})


class ScriptAssignmentById(kit.ResourceView):
    """One script assignment."""

    def get(self, request: Request, script_assignment_id: UUID) -> kit.Response:
        """Return the assignment; POST to its link `Runs` begins a run."""
        return kit.Response(bodies.assignments(request, [self._row(script_assignment_id)])[0])

    def put(self, request: Request, script_assignment_id: UUID) -> kit.Response:
        """Change the assignment; what is left out stays as it is."""
        given = self.read(ScriptAssignmentChange)
        rows = lookup.script_assignments(self.actor)
        with lookup.held(rows, script_assignment_id, "script assignment") as row:
            if given.get("ScriptId") not in {None, row.script_id}:
                raise kit.Refused("ScriptId: An assignment stays that of its script.")
            _save(self.actor, row, given)
        return kit.Response(bodies.assignments(request, [row])[0])

    def delete(self, request: Request, script_assignment_id: UUID) -> kit.Response:
        """Remove the assignment with its runs."""
        row = self._row(script_assignment_id)
        removal.finish(removal.remove(ScriptAssignment.objects.filter(pk=row.pk)))
        return kit.Response(status=200)

    def _row(self, identity: UUID) -> ScriptAssignment:
        row: ScriptAssignment = lookup.get(
            lookup.script_assignments(self.actor), identity, "script assignment"
        )
        return row


def _create(actor: Actor, request: Request, given: dict[str, Any]) -> kit.Response:
    row = ScriptAssignment(account=actor.account)
    for name in ("ScriptId", "PackageId"):
        if given.get(name) is None:
            raise kit.Refused(f"{name}: This field is required.")
    row.script = lookup.require(lookup.scripts(actor), given["ScriptId"], "script")
    _save(actor, row, given)
    [body] = bodies.assignments(request, [row])
    return kit.Response(body, 201, headers={"Location": body["Self"]})


def _save(actor: Actor, row: ScriptAssignment, given: dict[str, Any]) -> None:
    """Store an assignment with what a request gave, and index it."""
    if given.get("PackageId"):
        row.package = lookup.require(
            lookup.packages(actor), given["PackageId"], "execution package"
        )
    if row.package.project_id != row.script.project_id:
        raise kit.Refused("The script and the execution package are of two projects.")
    if "AssignedToId" in given:
        row.assigned_to = lookup.member(actor, given["AssignedToId"])
    with transaction.atomic():
        row.save()
        documents.index(ScriptAssignment, [row.pk])
