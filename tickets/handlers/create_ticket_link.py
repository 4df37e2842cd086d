"""`CreateTicketLink`: an incident that is kept in step with a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from backgroundtasks.exceptions import SubmissionFailed, SubmissionRefused
from backgroundtasks.handlers import Actor, Outcome, Resource, TaskContext, TaskFailed
from tickets import asking, linking
from tickets.handlers.ticket_linking import (
    IN_A_RUN,
    TicketHandler,
    again,
    backlink,
    bring_together,
    outcome,
    path_of,
    remembered,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class CreateTicketLink(TicketHandler):
    """
    Makes an incident that is kept in step with a ticket of a tracker.

    Its elements are: find the ticket, make the incident.
    """

    task_type = "CreateTicketLink"
    id_prefix = "ticketlinking"

    class Parameters(serializers.Serializer[Any]):
        """The ticket, by the tracker's own id, not by its key."""

        TicketId = serializers.CharField(max_length=255)
        ExternalSystemLinkId = serializers.UUIDField()

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the ticket."""
        parts = {"link_id": parameters["ExternalSystemLinkId"], "ticket": parameters["TicketId"]}
        path = path_of("externalsystemlink-ticket", parts)
        return Resource(id=parameters["TicketId"][:200], kind="ticket", path=path)

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """
        Look the ticket up, for three seconds.

        Raises:
            SubmissionRefused: the link to the tracker is not there.
            SubmissionFailed: the tracker has no such ticket, or it has an incident already.
        """
        try:
            link = linking.usable_link(actor.account.pk, parameters["ExternalSystemLinkId"])
        except linking.TicketRefused as refusal:
            raise SubmissionRefused(str(refusal)) from None
        try:
            found = linking.read(link, parameters["TicketId"], seconds=asking.BEFORE_ACCEPTING)
        except linking.TicketUndecided:
            return  # the run decides
        except linking.TicketRefused as refusal:
            raise SubmissionFailed(str(refusal)) from None
        if linking.known(found) is not None:
            raise SubmissionFailed(_known(found.ticket.key))

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Find the ticket and make the incident; again and again without harm."""
        context.progress(0, 2, "Finding ticket")
        row = remembered(context)
        if row is None:
            try:
                link = linking.usable_link(context.account_id, parameters["ExternalSystemLinkId"])
                found = linking.read(link, parameters["TicketId"], seconds=IN_A_RUN)
                context.progress(1, 2, "Creating incident")
                row = bring_together(context, found)
            except linking.TicketRefused as refusal:
                raise TaskFailed(str(refusal)) from None
            except linking.TicketUndecided as error:
                raise again(error) from None
        if row.linked_by != context.task_id:
            raise TaskFailed(_known(row.key))
        problem = backlink(
            context,
            row,
            "incident",
            {"incident_id": row.incident_id},
            title=f"Incident {row.incident.number}: {row.incident.summary}",
        )
        context.progress(2, 2, "Task Completed")
        return outcome(row, problem)


def _known(key: str) -> str:
    return f"The ticket {key} is kept in step with an incident already."
