"""
What an incident was found by: steps of scripts, steps of agile runs, nodes of reports.

Each is linked to an incident at most once, which the database sees to: a run that makes a
link and is killed finds it there in its next attempt, and knows it by `linked_by`.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from backgroundtasks import clock


class IncidentLink(models.Model):
    """What all three have."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: The background run that made it; None for a link that was made by hand.
    linked_by = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    #: The field that leads to what is linked.
    found_by: ClassVar[str]

    class Meta:
        abstract = True


class StepResultIncident(IncidentLink):
    """An incident of a script's step."""

    found_by = "step_result"

    step_result = models.ForeignKey(
        "tickets.StepResult",
        on_delete=models.CASCADE,
        related_name="incident_links",
        db_index=False,  # the constraint below begins with it
    )
    incident = models.ForeignKey(
        "tickets.Incident", on_delete=models.CASCADE, related_name="step_result_links"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["step_result", "incident"], name="one_link_per_step_result"
            )
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} of step {self.step_result_id}"


class AgileRunStepIncident(IncidentLink):
    """An incident of an agile run's step."""

    found_by = "step"

    step = models.ForeignKey(
        "tickets.AgileRunStep",
        on_delete=models.CASCADE,
        related_name="incident_links",
        db_index=False,  # the constraint below begins with it
    )
    incident = models.ForeignKey(
        "tickets.Incident", on_delete=models.CASCADE, related_name="agile_step_links"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "incident"], name="one_link_per_agile_step")
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} of agile step {self.step_id}"


class ResultNodeIncident(IncidentLink):
    """
    An incident of a result node.

    It goes with the node's run, not with the node: nodes are removed by the thousand, and a
    constraint on each would have to be looked at.
    """

    found_by = "node"

    run = models.ForeignKey(
        "tickets.AutomatedTestRun", on_delete=models.CASCADE, related_name="incident_links"
    )
    node = models.ForeignKey(
        "tickets.ResultNode",
        on_delete=models.DO_NOTHING,
        related_name="incident_links",
        db_index=False,  # the constraint below begins with it
        db_constraint=False,
    )
    incident = models.ForeignKey(
        "tickets.Incident", on_delete=models.CASCADE, related_name="node_links"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "incident"], name="one_link_per_node")
        ]

    def __str__(self) -> str:
        return f"{self.incident_id} of node {self.node_id}"
