"""`/api/incidents`, `/api/incident/{id}`, its `comments`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from tickets import incidents, numbering
from tickets.api import collection, lookup
from tickets.api.custom_fields import fill
from tickets.api.incidents import bodies
from tickets.api.incidents.serializers import IncidentChange, IncidentWrite
from tickets.api.picklists import choose, pick
from tickets.models import FieldOf, Incident, Picklist

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Summary": "summary",
    "IncidentNumber": "number",
    "ProjectId": "project",
    "StatusId": "status",
    "PriorityId": "priority",
    "TypeId": "type",
    "AssignedTo": "assigned_to__username",
    "CreatedAt": "created_at",
    "LastUpdatedAt": "updated_at",
}
_CHOICES: Final = {
    "PriorityId": ("priority", Picklist.PRIORITY),
    "StatusId": ("status", Picklist.INCIDENT_STATUS),
    "TypeId": ("type", Picklist.INCIDENT_TYPE),
    "ResolutionId": ("resolution", Picklist.INCIDENT_RESOLUTION),
}
#: What `incidents.change` is given of a row.
_COLUMNS: Final = (
    "summary",
    "description",
    "assigned_to_id",
    "priority_id",
    "status_id",
    "type_id",
    "resolution_id",
    "field_values",
)


class Incidents(kit.ResourceView):
    """The account's incidents."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of incidents, the newest first."""
        return collection.page(
            request,
            lookup.incidents(self.actor),
            partial(bodies.incidents, request),
            MEMBERS,
            entity_type="Incident",
        )

    def post(self, request: Request) -> kit.Response:
        """Create an incident in a project; answered 200, as the vendor's server does."""
        given = self.read(IncidentWrite)
        if given["ProjectId"] is None:
            raise kit.Refused("ProjectId: This field is required.")
        project = lookup.require(lookup.projects(self.actor), given["ProjectId"], "project")
        row = Incident(account=self.actor.account, project=project)
        _fill(self.actor, row, given)
        picks = pick(project.pk, given)
        try:
            with transaction.atomic():
                incidents.create(row, self.actor.user.pk, picks=picks)
                _comment(self.actor, row, given)
        except numbering.ProjectGone as error:
            raise kit.Refused(str(error)) from None
        [body] = bodies.incidents(request, [_row(self.actor, row.pk)])
        return kit.Response(body, 200, headers={"Location": body["Self"]})


class IncidentById(kit.ResourceView):
    """One incident."""

    def get(self, request: Request, incident_id: UUID) -> kit.Response:
        """Return the incident."""
        return kit.Response(bodies.incidents(request, [_row(self.actor, incident_id)])[0])

    def put(self, request: Request, incident_id: UUID) -> kit.Response:
        """
        Change the incident; what is left out stays as it is.

        `Comments` without an `Id` are added; comments are never changed or removed.
        """
        self._change(incident_id, self.read(IncidentChange))
        return kit.Response(bodies.incidents(request, [_row(self.actor, incident_id)])[0])

    def patch(self, request: Request, incident_id: UUID) -> kit.Response:
        """Change some members, named in any letter case; unknown ones are ignored. 204."""
        self._change(incident_id, self.read(IncidentChange, any_case=True))
        return kit.Response(status=204)

    def delete(self, request: Request, incident_id: UUID) -> kit.Response:
        """Remove the incident; its tickets stay in their trackers."""
        incidents.remove(_row(self.actor, incident_id).pk)
        return kit.Response(status=200)

    def _change(self, identity: UUID, given: dict[str, Any]) -> None:
        with lookup.held(lookup.incidents(self.actor), identity, "incident") as row:
            if given.get("ProjectId") not in {None, row.project_id}:
                raise kit.Refused("An incident stays in its project.")
            _fill(self.actor, row, given)
            wanted = {name: getattr(row, name) for name in _COLUMNS}
            picks = pick(row.project_id, given)
            incidents.change(row.pk, self.actor.user.pk, wanted, picks)
            _comment(self.actor, row, given)


class IncidentComments(kit.ResourceView):
    """What people said of an incident."""

    def get(self, request: Request, incident_id: UUID) -> kit.Response:
        """Return a page of comments, the oldest first; new ones are added by a PUT of the incident."""
        row = _row(self.actor, incident_id)
        return kit.page(
            request,
            lookup.comments(self.actor).filter(incident=row),
            bodies.comment,
            {"Id": "id", "Comment": "text", "CreatedAt": "created_at"},
            order=("created_at",),
        )


def _row(actor: Actor, identity: UUID) -> Incident:
    row: Incident = lookup.get(lookup.incidents(actor), identity, "incident")
    return row


def _fill(actor: Actor, row: Incident, given: dict[str, Any]) -> None:
    if given.get("Summary") is not None:
        row.summary = given["Summary"]
    if "Description" in given:
        row.description = given["Description"]
    if "AssignedToId" in given:
        row.assigned_to = lookup.member(actor, given["AssignedToId"])
    choose(row, given, _CHOICES)
    fill(row, given, FieldOf.INCIDENT, row.project_id)


def _comment(actor: Actor, row: Incident, given: dict[str, Any]) -> None:
    texts = [
        one["Comment"]
        for one in given.get("Comments") or []
        if one.get("Id") is None and one.get("Comment")
    ]
    if texts:
        incidents.comment(row.pk, actor.user.pk, texts)
