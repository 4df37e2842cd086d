"""`CreateTicketLink`: a ticket and an incident that are kept in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from rest_framework import serializers

from backgroundtasks.exceptions import SubmissionFailed, SubmissionRefused
from backgroundtasks.handlers import Actor, Outcome, Resource, TaskContext, TaskFailed
from backgroundtasks.handlers.fields import OptionalId
from tickets import asking, backlinks, linking, new_tickets, trackers
from tickets.handlers.ticket_linking import (
    CREATING,
    FINDING,
    IN_A_RUN,
    LEADING_BACK,
    TicketHandler,
    again,
    outcome,
    path_of,
    remembered,
)
from tickets.models import Incident

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from tickets.models import Backlink, ExternalSystemLink, ExternalTicket

CREATING_TICKET = "Creating ticket"


class CreateTicketLink(TicketHandler):
    """
    Makes an incident that is kept in step with a tracker's ticket, or a ticket of an incident.

    Its elements are: find the one, make the other.
    """

    task_type = "CreateTicketLink"
    id_prefix = "ticketlinking"

    class Parameters(serializers.Serializer[Any]):
        """The ticket by the tracker's own id, not by its key; or the incident that is to have one."""

        TicketId = serializers.CharField(max_length=255, required=False, allow_null=True)
        IncidentId = OptionalId(
            required=False, allow_null=True, help_text="Make a new ticket of this incident instead."
        )
        ExternalSystemLinkId = serializers.UUIDField()

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse none, and both."""
            if (attrs.get("TicketId") is None) == (attrs.get("IncidentId") is None):
                raise serializers.ValidationError(
                    {"TicketId": ["Give it or IncidentId, one of the two."]}
                )
            return attrs

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the ticket or the incident, whichever is there."""
        if (incident_id := parameters.get("IncidentId")) is not None:
            path = path_of("incident", {"incident_id": incident_id})
            return Resource(id=str(incident_id), kind="incident", path=path)
        parts = {"link_id": parameters["ExternalSystemLinkId"], "ticket": parameters["TicketId"]}
        path = path_of("externalsystemlink-ticket", parts)
        return Resource(id=parameters["TicketId"][:200], kind="ticket", path=path)

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """
        Look the ticket up, for three seconds; or the incident.

        Raises:
            SubmissionRefused: the link to the tracker, or the incident, is not there.
            SubmissionFailed: the tracker has no such ticket, or the two have somebody already.
        """
        try:
            link = linking.usable_link(actor.account.pk, parameters["ExternalSystemLinkId"])
        except linking.LinkRefused as refusal:
            raise SubmissionRefused(str(refusal)) from None
        try:
            if parameters.get("IncidentId") is not None:
                incident = _incident(link, parameters["IncidentId"])
                new_tickets.require_none(incident, link)
                return
            found = linking.read(link, parameters["TicketId"], seconds=asking.BEFORE_ACCEPTING)
        except linking.TicketUndecided:
            return  # the run decides
        except linking.TicketRefused as refusal:
            raise SubmissionFailed(str(refusal)) from None
        row = linking.known(found)
        if row is not None:
            raise SubmissionFailed(_known(row))

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Find the one, make the other, lead back; again and again without harm."""
        context.progress(0, 2, FINDING)
        row = remembered(context)
        try:
            if row is None:
                link = linking.usable_link(context.account_id, parameters["ExternalSystemLinkId"])
                if parameters.get("IncidentId") is not None:
                    row, back = self._new_ticket(context, link, parameters["IncidentId"])
                else:
                    row, back = self._new_incident(context, link, parameters["TicketId"])
            else:
                back = _back(context, row)
        except (SubmissionRefused, linking.TicketRefused) as refusal:
            raise TaskFailed(str(refusal)) from None
        except linking.TicketUndecided as error:
            raise again(self, context, error) from None
        context.progress(1, 2, LEADING_BACK)
        problem = self.lead_back(context, row, back)
        context.progress(2, 2)
        return outcome(row, problem)

    def _new_incident(
        self, context: TaskContext, link: ExternalSystemLink, ticket_id: str
    ) -> tuple[ExternalTicket, Backlink | None]:
        found = linking.read(link, ticket_id, seconds=IN_A_RUN)
        context.checkpoint(safe=True)
        context.progress(1, 2, CREATING)
        with transaction.atomic():
            row = linking.bring_together(found, task_id=context.task_id, user_id=context.user_id)
            if row.linked_by != context.task_id:
                raise linking.TicketRefused(_known(row))
            context.remember(ticket=str(row.pk))
            return row, _back(context, row)

    def _new_ticket(
        self, context: TaskContext, link: ExternalSystemLink, incident_id: UUID
    ) -> tuple[ExternalTicket, Backlink | None]:
        incident = _incident(link, incident_id)
        row = new_tickets.wanted(incident, link, task_id=context.task_id)
        context.checkpoint(safe=True)
        context.progress(1, 2, CREATING_TICKET)
        try:
            new_tickets.make(row)
        except trackers.errors.Temporary as error:
            raise linking.TicketUndecided(error) from None
        with transaction.atomic():
            context.remember(ticket=str(row.pk))
            return row, _back(context, row)


def _incident(link: ExternalSystemLink, incident_id: UUID) -> Incident:
    incident = (
        Incident.objects.filter(pk=incident_id, project=link.project_id)
        .select_related("type")
        .first()
    )
    if incident is None:
        raise SubmissionRefused(
            f"The incident {incident_id} does not exist in the project {link.project.name!r}."
        )
    return incident


def _back(context: TaskContext, row: ExternalTicket) -> Backlink | None:
    wish = backlinks.wish(
        row,
        "incident",
        {"incident_id": row.incident_id},
        title=f"Incident {row.incident.number}: {row.incident.summary}",
        task_id=context.task_id,
    )
    return None if wish is None else backlinks.keep(wish)


def _known(row: ExternalTicket) -> str:
    return f"The ticket {row.key} is kept in step with an incident already."
