"""`LinkTicketToAgileRunStep`: a ticket for a failed step of an agile run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from rest_framework import serializers

from tickets import places
from tickets.handlers.ticket_linking import LinkTicket

if TYPE_CHECKING:
    from collections.abc import Mapping


class LinkTicketToAgileRunStep(LinkTicket):
    """Links a tracker's ticket with a step of an agile run."""

    task_type = "LinkTicketToAgileRunStep"
    word = "step"
    route = "agilerun-step-incidents"
    finder = places.of_agile_step

    class Parameters(LinkTicket.Parameters):
        """The step and the ticket."""

        AgileRunId = serializers.UUIDField()
        StepId = serializers.UUIDField()

    @classmethod
    def place_parts(cls, parameters: Mapping[str, Any]) -> dict[str, UUID]:
        """Return the ids of the run and of the step, which has no resource but its incidents."""
        return {"agile_run_id": parameters["AgileRunId"], "step_id": parameters["StepId"]}
