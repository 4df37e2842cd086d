"""`/api/externalsystems`, `/api/externalsystem/{id}`, its `links` and `check`, `/api/externalsystemtypes`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction

from backgroundtasks.api import kit
from backgroundtasks.exceptions import SecretUnreadable
from tickets import connections, external_systems, incidents, removal, trackers
from tickets.api import collection, lookup
from tickets.api.custom_fields import fill
from tickets.api.systems import bodies
from tickets.api.systems.keeping import keeps_references
from tickets.api.systems.serializers import ExternalSystemChange, ExternalSystemWrite, Switch
from tickets.models import ExternalSystem, ExternalTicket, FieldOf

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "Type": "kind",
    "ConnectionString": "base_url",
    "Enabled": "enabled",
}
LINK_MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "Type": "type",
    "ProjectId": "project",
    "ProjectName": "project__name",
    "ExternalSystemId": "external_system",
    "ExternalSystemName": "external_system__name",
    "DefectTrackerProjectId": "tracker_project",
    "Enabled": "enabled",
}
_TEXTS: Final = {"DisplayUrl": "display_url", "UserName": "user_name"}
#: What a kind needs, by the member of a system, or of its links, that takes it. The account is ours.
_NEEDS: Final = {
    "base_url": "ConnectionString",
    "user_name": "UserName",
    "secret": "Password",
    "project": "DefectTrackerProjectId",
}


class ExternalSystemTypes(kit.ResourceView):
    """The kinds of trackers that there are."""

    def get(self, request: Request) -> kit.Response:
        """Return all of them, with what their configuration may say."""
        wanted = kit.read_slice(request)
        items = [
            {
                "Type": name,
                "Description": kind.title,
                "Categories": ["DefectTracker"],
                "Needs": [_NEEDS[name] for name in kind.needs if name in _NEEDS],
                "Configuration": dict(kind.settings),
            }
            for name, kind in sorted(trackers.KINDS.items())
        ]
        part = items[wanted.skip : wanted.skip + wanted.top]
        return kit.Response(kit.envelope(part, wanted, len(items)))


class ExternalSystems(kit.ResourceView):
    """The account's external systems."""

    write_role = "admin"

    def get(self, request: Request) -> kit.Response:
        """Return a page of external systems."""
        return collection.page(
            request,
            lookup.external_systems(self.actor),
            partial(bodies.systems, request),
            MEMBERS,
            order=("name",),
        )

    def post(self, request: Request) -> kit.Response:
        """Create an external system; 409 when its name is taken."""
        given = self.read(ExternalSystemWrite)
        row = ExternalSystem(account=self.actor.account, kind=given["Type"])
        _save(row, given)
        [body] = bodies.systems(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class ExternalSystemById(kit.ResourceView):
    """One external system."""

    write_role = "admin"

    def get(self, request: Request, system_id: UUID) -> kit.Response:
        """Return the external system, without its password."""
        return kit.Response(bodies.systems(request, [_row(self.actor, system_id)])[0])

    def put(self, request: Request, system_id: UUID) -> kit.Response:
        """
        Change the external system; what is left out stays as it is.

        Another `ConnectionString` asks for the password again: it is not sent elsewhere.
        """
        given = self.read(ExternalSystemChange)
        with _held(self.actor, system_id) as row:
            _save(row, given)
        return kit.Response(bodies.systems(request, [row])[0])

    def patch(self, request: Request, system_id: UUID) -> kit.Response:
        """Say whether the external system is used; one that is not complete is switched off, too."""
        enabled = self.read(Switch, any_case=True)["Enabled"]
        with _held(self.actor, system_id) as row:
            try:
                external_systems.switch(row, on=enabled)
            except external_systems.SystemRefused as refusal:
                raise kit.Refused(str(refusal)) from None
            _store(row)
        return kit.Response(bodies.systems(request, [row])[0])

    def delete(self, request: Request, system_id: UUID) -> kit.Response:
        """Remove the external system with its links; incidents keep their keys unless said otherwise."""
        row = _row(self.actor, system_id)
        if not keeps_references(request):
            incidents.forget_tickets(ExternalTicket.objects.filter(external_system=row))
        removal.finish(removal.remove(ExternalSystem.objects.filter(pk=row.pk)))
        return kit.Response(status=200)


class ExternalSystemLinksOf(kit.ResourceView):
    """The projects that use an external system."""

    def get(self, request: Request, system_id: UUID) -> kit.Response:
        """Return a page of links."""
        row = _row(self.actor, system_id)
        return collection.page(
            request,
            lookup.external_system_links(self.actor).filter(external_system=row),
            partial(bodies.links, request),
            LINK_MEMBERS,
            order=("name",),
        )


class ExternalSystemCheck(kit.ResourceView):
    """Whether a connection works."""

    write_role = "admin"

    def post(self, request: Request, system_id: UUID) -> kit.Response:
        """
        Ask the tracker what works: credentials, search, comments, links; nothing is written there.

        In its project `project`; when that is not said, in the one of the first link.
        """
        row = _row(self.actor, system_id)
        project = lookup.wanted_text(request, "project")
        if not project:
            links = row.links.order_by("created_at")
            project = links.values_list("tracker_project", flat=True).first() or ""
        return kit.Response(bodies.check(checked(row, project)))


def checked(row: ExternalSystem, project: str) -> trackers.Check:
    """
    Return what works of an external system.

    Raises:
        Refused: what was written down is not complete.
    """
    try:
        tracker = trackers.connect(connections.of_system(row, project=project))
    except (trackers.errors.ConnectionInvalid, SecretUnreadable) as error:
        raise kit.Refused(str(error)) from None
    return tracker.check()


def _row(actor: Actor, identity: UUID) -> ExternalSystem:
    row: ExternalSystem = lookup.get(lookup.external_systems(actor), identity, "external system")
    return row


def _held(actor: Actor, identity: UUID) -> AbstractContextManager[ExternalSystem]:
    return lookup.held(lookup.external_systems(actor), identity, "external system")


def _save(row: ExternalSystem, given: dict[str, Any]) -> None:
    if given.get("Name") is not None:
        row.name = given["Name"]
    for name, column in _TEXTS.items():
        if name in given:
            setattr(row, column, given[name] or "")
    if given.get("Configuration") is not None:
        row.settings = given["Configuration"]
    if given.get("Enabled") is not None:
        row.enabled = given["Enabled"]
    fill(row, given, FieldOf.EXTERNAL_SYSTEM, None)
    try:
        external_systems.place(row, given.get("ConnectionString"), given.get("Password"))
        external_systems.settle(row)
    except external_systems.SystemRefused as refusal:
        raise kit.Refused(str(refusal)) from None
    _store(row)


def _store(row: ExternalSystem) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise kit.Conflict(f"An external system named {row.name!r} exists already.") from None
