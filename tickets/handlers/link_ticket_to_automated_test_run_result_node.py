"""`LinkTicketToAutomatedTestRunResultNode`: a ticket for a failed test of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from rest_framework import serializers

from tickets import places
from tickets.handlers.ticket_linking import LinkTicket

if TYPE_CHECKING:
    from collections.abc import Mapping


class LinkTicketToAutomatedTestRunResultNode(LinkTicket):
    """Links a tracker's ticket with a result node of an automated test's run."""

    task_type = "LinkTicketToAutomatedTestRunResultNode"
    word = "result node"
    route = "automatedtestrun-node"
    finder = places.of_node

    class Parameters(LinkTicket.Parameters):
        """The node and the ticket."""

        AutomatedTestRunId = serializers.UUIDField()
        ResultNodeId = serializers.UUIDField()

    @classmethod
    def place_parts(cls, parameters: Mapping[str, Any]) -> dict[str, UUID]:
        """Return the ids of the run and of the node."""
        return {"run_id": parameters["AutomatedTestRunId"], "node_id": parameters["ResultNodeId"]}
