"""`LinkTicketToStepResult`: a ticket for a failed step of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from rest_framework import serializers

from tickets import places
from tickets.handlers.ticket_linking import LinkTicket

if TYPE_CHECKING:
    from collections.abc import Mapping


class LinkTicketToStepResult(LinkTicket):
    """Links a tracker's ticket with a step of a script's run."""

    task_type = "LinkTicketToStepResult"
    word = "step result"
    route = "stepresult"
    finder = places.of_step_result

    class Parameters(LinkTicket.Parameters):
        """The step and the ticket."""

        StepResultId = serializers.UUIDField()

    @classmethod
    def place_parts(cls, parameters: Mapping[str, Any]) -> dict[str, UUID]:
        """Return the step's id."""
        return {"step_result_id": parameters["StepResultId"]}
