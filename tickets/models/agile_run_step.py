"""One step of an agile run."""

from __future__ import annotations

import uuid

from django.db import models

from tickets.models.outcome import Outcome


class AgileRunStep(models.Model):
    """What was done, what should have come of it, and what came."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(
        "tickets.AgileRun",
        on_delete=models.CASCADE,
        related_name="steps",
        db_index=False,  # the index below begins with it
    )
    #: Order among the steps, from 0.
    position = models.PositiveIntegerField()
    description = models.TextField(null=True, blank=True)
    data = models.TextField(null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    expected_result = models.TextField(null=True, blank=True)
    actual_result = models.TextField(null=True, blank=True)
    result = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.NOT_RUN)

    class Meta:
        indexes = [models.Index(fields=["run", "position"], name="agile_step_by_place")]

    def __str__(self) -> str:
        return f"step {self.position + 1} of {self.run_id}"
