"""`/api/scripts`, `/api/script/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import removal
from tickets.api import collection, lookup
from tickets.api.manual import bodies
from tickets.api.manual.serializers import ScriptChange, ScriptWrite
from tickets.models import Script, ScriptAssignment

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

MEMBERS: Final = {"Id": "id", "Name": "name", "ProjectId": "project", "Version": "version"}
_STEP: Final = {
    "Description": "description",
    "Data": "data",
    "Notes": "notes",
    "ExpectedResult": "expected_result",
}


class Scripts(kit.ResourceView):
    """The account's scripts."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of scripts."""
        return collection.page(
            request,
            lookup.scripts(self.actor),
            partial(bodies.scripts, request),
            MEMBERS,
            order=("name",),
            entity_type="TestScript",
        )

    def post(self, request: Request) -> kit.Response:
        """Create a script with its steps."""
        given = self.read(ScriptWrite)
        if given["ProjectId"] is None:
            raise kit.Refused("ProjectId: This field is required.")
        project = lookup.require(lookup.projects(self.actor), given["ProjectId"], "project")
        row = Script(account=self.actor.account, project=project)
        _save(row, given)
        [body] = bodies.scripts(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ScriptById(kit.ResourceView):
    """One script."""

    def get(self, request: Request, script_id: UUID) -> kit.Response:
        """Return the script."""
        row = lookup.get(lookup.scripts(self.actor), script_id, "script")
        return kit.Response(bodies.scripts(request, [row])[0])

    def put(self, request: Request, script_id: UUID) -> kit.Response:
        """
        Change the script; what is left out stays as it is.

        `Steps` are all of them. Runs keep the steps that they began with.
        """
        given = self.read(ScriptChange)
        with lookup.held(lookup.scripts(self.actor), script_id, "script") as row:
            if given.get("ProjectId") not in {None, row.project_id}:
                raise kit.Refused("A script stays in its project.")
            _save(row, given)
        return kit.Response(bodies.scripts(request, [row])[0])

    def delete(self, request: Request, script_id: UUID) -> kit.Response:
        """Remove the script with its assignments and their runs."""
        row = lookup.get(lookup.scripts(self.actor), script_id, "script")
        removal.finish(removal.remove(Script.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


def _save(row: Script, given: dict[str, Any]) -> None:
    if given.get("Name") is not None:
        row.name = given["Name"]
    if "Description" in given:
        row.description = given["Description"]
    if given.get("Steps") is not None:
        steps = [{ours: step.get(name) for name, ours in _STEP.items()} for step in given["Steps"]]
        if steps != row.steps and not row._state.adding:  # noqa: SLF001 - documented API
            row.version += 1
        row.steps = steps
    with transaction.atomic():
        row.save()
        documents.index(Script, [row.pk])
        # An assignment is found by the name of its script.
        bearers = ScriptAssignment.objects.filter(script=row)
        documents.index(ScriptAssignment, bearers.values_list("pk", flat=True))
