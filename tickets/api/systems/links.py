"""`/api/externalsystemlinks`, `/api/externalsystemlink/{id}`, `copy`, `/api/project/{id}/searchlinks`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from backgroundtasks.api import kit
from tickets import connections, incidents, removal
from tickets.api import collection, lookup
from tickets.api.systems import bodies
from tickets.api.systems.keeping import keeps_references
from tickets.api.systems.serializers import (
    ExternalSystemLinkChange,
    ExternalSystemLinkWrite,
    LinkCopy,
    Switch,
)
from tickets.api.systems.systems import LINK_MEMBERS
from tickets.models import ExternalSystemLink, ExternalTicket

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor


class ExternalSystemLinks(kit.ResourceView):
    """Which projects use which external systems."""

    write_role = "admin"

    def get(self, request: Request) -> kit.Response:
        """Return a page of links."""
        return collection.page(
            request,
            lookup.external_system_links(self.actor),
            partial(bodies.links, request),
            LINK_MEMBERS,
            order=("project__name", "name"),
        )

    def post(self, request: Request) -> kit.Response:
        """Link an external system to a project as its defect tracker; 409 when it is already."""
        given = self.read(ExternalSystemLinkWrite)
        kind = given.get("Type") or bodies.INCIDENT
        if kind.lower() != bodies.INCIDENT.lower():
            raise kit.Refused(f"Type: Only links of the type {bodies.INCIDENT} are there.")
        row = ExternalSystemLink(account=self.actor.account, type=bodies.INCIDENT)
        row.external_system = lookup.require(
            lookup.external_systems(self.actor), given["ExternalSystemId"], "external system"
        )
        row.project = lookup.require(lookup.projects(self.actor), given["ProjectId"], "project")
        row.name = row.external_system.name
        _save(row, given)
        [body] = bodies.links(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ExternalSystemLinkById(kit.ResourceView):
    """One link of an external system to a project."""

    write_role = "admin"

    def get(self, request: Request, link_id: UUID) -> kit.Response:
        """Return the link, with when it was last synchronised."""
        return kit.Response(bodies.links(request, [_row(self.actor, link_id)])[0])

    def put(self, request: Request, link_id: UUID) -> kit.Response:
        """Change the link; what is left out stays as it is."""
        given = self.read(ExternalSystemLinkChange)
        with _held(self.actor, link_id) as row:
            _save(row, given)
        return kit.Response(bodies.links(request, [row])[0])

    def patch(self, request: Request, link_id: UUID) -> kit.Response:
        """Say whether the link is used; one that is not complete is switched off, too."""
        enabled = self.read(Switch, any_case=True)["Enabled"]
        with _held(self.actor, link_id) as row:
            row.enabled = enabled
            if enabled:
                _require_complete(row)
            _store(row)
        return kit.Response(bodies.links(request, [row])[0])

    def delete(self, request: Request, link_id: UUID) -> kit.Response:
        """Remove the link; incidents keep the keys of their tickets unless said otherwise."""
        row = _row(self.actor, link_id)
        if not keeps_references(request):
            incidents.forget_tickets(ExternalTicket.objects.filter(link=row))
        removal.finish(removal.remove(ExternalSystemLink.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


class ExternalSystemLinkCopy(kit.ResourceView):
    """A link once more."""

    write_role = "admin"

    def post(self, request: Request, link_id: UUID) -> kit.Response:
        """Copy the link to another project; what it synchronised is not copied."""
        row = _row(self.actor, link_id)
        given = self.read(LinkCopy)
        copy = ExternalSystemLink(
            account=row.account,
            external_system=row.external_system,
            project=row.project,
            type=row.type,
            tracker_project=row.tracker_project,
            enabled=row.enabled,
            name=row.name,
        )
        if given.get("ProjectId"):
            copy.project = lookup.require(
                lookup.projects(self.actor), given["ProjectId"], "project"
            )
        _save(copy, {"Name": given.get("Name")})
        [body] = bodies.links(request, [copy])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ProjectSearchLinks(kit.ResourceView):
    """The trackers of a project, by a part of their name."""

    #: POST is for long queries; it changes nothing.
    write_role = "viewer"

    def get(self, request: Request, project_id: UUID) -> kit.Response:
        """Return a page of the links whose name holds `query`."""
        return self._found(request, project_id)

    def post(self, request: Request, project_id: UUID) -> kit.Response:
        """Return the same."""
        return self._found(request, project_id)

    def _found(self, request: Request, project_id: UUID) -> kit.Response:
        project = lookup.get(lookup.projects(self.actor), project_id, "project")
        links = lookup.external_system_links(self.actor).filter(project=project)
        return collection.page(
            request,
            links.filter(name__icontains=lookup.wanted_text(request, "query")),
            partial(bodies.links, request),
            LINK_MEMBERS,
            order=("name",),
        )


def _row(actor: Actor, identity: UUID) -> ExternalSystemLink:
    row: ExternalSystemLink = lookup.get(
        lookup.external_system_links(actor), identity, "external system link"
    )
    return row


def _held(actor: Actor, identity: UUID) -> AbstractContextManager[ExternalSystemLink]:
    return lookup.held(lookup.external_system_links(actor), identity, "external system link")


def _save(row: ExternalSystemLink, given: dict[str, Any]) -> None:
    if given.get("Name"):
        row.name = given["Name"]
    if "DefectTrackerProjectId" in given:
        row.tracker_project = given["DefectTrackerProjectId"] or ""
    if given.get("Enabled") is not None:
        row.enabled = given["Enabled"]
    _require_complete(row)
    _store(row)


def _require_complete(row: ExternalSystemLink) -> None:
    if found := connections.problems(row.external_system, project=row.tracker_project):
        raise kit.Refused(" ".join(found))


def _store(row: ExternalSystemLink) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise kit.Conflict(
            f"The project has a link named {row.name!r}, or one with this project of the tracker."
        ) from None
