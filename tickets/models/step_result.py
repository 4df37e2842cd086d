"""What came of one step of a script."""

from __future__ import annotations

import uuid

from django.db import models

from tickets.models.outcome import Outcome


class StepResult(models.Model):
    """A step as it was in the script when its run began, and its result."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(
        "tickets.ScriptRun",
        on_delete=models.CASCADE,
        related_name="step_results",
        db_index=False,  # the constraint below begins with it
    )
    #: Order in the script, from 0.
    position = models.PositiveIntegerField()
    description = models.TextField(null=True, blank=True)
    data = models.TextField(null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    expected_result = models.TextField(null=True, blank=True)
    actual_result = models.TextField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.NOT_RUN)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="one_step_result_per_position")
        ]

    def __str__(self) -> str:
        return f"step {self.position + 1} of {self.run_id}"
