"""`/api/projects`, `/api/project/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction

from backgroundtasks import operations
from backgroundtasks.api import kit
from backgroundtasks.exceptions import SubmissionRefused
from indexing import documents
from tickets import naming, picklists
from tickets.api import collection, expansions, lookup
from tickets.api.serializers import ProjectChange, ProjectWrite
from tickets.handlers.delete_project import DeleteProject
from tickets.models import Project

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "Description": "description",
    "Slug": "slug",
    "OrderNumber": "order_number",
    "StartDate": "start_date",
    "EstimatedEndDate": "estimated_end_date",
    "ManagerUserName": "manager__username",
    "Independent": "independent",
}

#: Wire name -> column. None of these may be NULL, so null leaves them as they are.
_FIRM: Final = {
    "Name": "name",
    "AutoNumberRequirements": "auto_number_requirements",
    "AutoNumberScripts": "auto_number_scripts",
    "Independent": "independent",
    "RequirementNumberReadOnly": "requirement_number_read_only",
    "ScriptNumberReadOnly": "script_number_read_only",
    "OrderNumber": "order_number",
}
_OPTIONAL: Final = {
    "Description": "description",
    "EstimatedEndDate": "estimated_end_date",
    "StartDate": "start_date",
    "Slug": "slug",
}


class Projects(kit.ResourceView):
    """The account's projects."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of projects."""
        return collection.page(
            request,
            lookup.projects(self.actor),
            partial(expansions.projects, request),
            MEMBERS,
            order=("order_number", "name"),
        )

    def post(self, request: Request) -> kit.Response:
        """Create a project; 409 when its name is taken."""
        row = Project(account=self.actor.account)
        _save(self.actor, row, self.read(ProjectWrite))
        [body] = expansions.projects(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ProjectsSearch(kit.ResourceView):
    """The account's projects, by a part of their name."""

    #: POST is for long queries; it changes nothing.
    write_role = "viewer"

    def get(self, request: Request) -> kit.Response:
        """Return a page of the projects whose name holds `query`."""
        return self._found(request)

    def post(self, request: Request) -> kit.Response:
        """Return the same."""
        return self._found(request)

    def _found(self, request: Request) -> kit.Response:
        named = lookup.projects(self.actor).filter(
            name__icontains=lookup.wanted_text(request, "query")
        )
        return collection.page(
            request, named, partial(expansions.projects, request), MEMBERS, order=("name",)
        )


class ProjectById(kit.ResourceView):
    """One project."""

    def get(self, request: Request, project_id: UUID) -> kit.Response:
        """Return the project."""
        row = lookup.get(lookup.projects(self.actor), project_id, "project")
        return kit.Response(expansions.projects(request, [row])[0])

    def delete(self, request: Request, project_id: UUID) -> kit.Response:
        """Remove the project and all that it holds: 202 and the background task; hidden at once."""
        http = request._request  # noqa: SLF001 - the request it wraps
        try:
            submission = operations.submit(
                self.actor,
                DeleteProject.task_type,
                {"ProjectId": str(project_id)},
                idempotency=kit.read_idempotency(http, kit.digest_of(b"")),
            )
        except SubmissionRefused as refusal:
            raise kit.NotFound(str(refusal)) from None
        return kit.started(request, submission)

    def put(self, request: Request, project_id: UUID) -> kit.Response:
        """Change the project; members that are left out stay as they are."""
        given = self.read(ProjectChange)
        with lookup.held(lookup.projects(self.actor), project_id, "project") as row:
            _save(self.actor, row, given)
        return kit.Response(expansions.projects(request, [row])[0])


def _save(actor: Actor, row: Project, given: dict[str, Any]) -> None:
    """Store a project with what a request gave, and index it."""
    _refuse_other_organisation(given.get("OrganisationId"), row.account_id)
    if "ManagerId" in given:
        row.manager = lookup.member(actor, given["ManagerId"])
    for name, column in _FIRM.items():
        if given.get(name) is not None:
            setattr(row, column, given[name])
    for name, column in _OPTIONAL.items():
        if name in given:
            setattr(row, column, given[name])
    try:
        with transaction.atomic():
            is_new = row._state.adding  # noqa: SLF001 - documented API
            if given.get("Name") is not None:
                naming.free(row.account_id, row.name)
            row.save()
            if is_new:
                picklists.provide(row)
            documents.index(Project, [row.pk])
    except IntegrityError:
        raise kit.Conflict(f"A project named {row.name!r} exists already.") from None


def _refuse_other_organisation(named: UUID | None, own: UUID) -> None:
    if named is not None and named != own:
        raise kit.Refused(f"The organisation {named} does not exist.")
