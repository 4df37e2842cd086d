"""A test that is written while it is run."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from backgroundtasks import clock
from tickets.models.outcome import NOT_RUN


class AgileRun(models.Model):
    """An exploratory test in an execution package, with its steps and their results."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    #: Its package's, repeated because numbers count per project.
    project = models.ForeignKey(
        "tickets.Project", on_delete=models.CASCADE, related_name="agile_runs", db_index=False
    )
    package = models.ForeignKey(
        "tickets.ExecutionPackage", on_delete=models.CASCADE, related_name="agile_runs"
    )
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    objective = models.TextField(null=True, blank=True)
    pre_condition = models.TextField(null=True, blank=True)
    post_condition = models.TextField(null=True, blank=True)
    estimated_duration = models.CharField(max_length=50, null=True, blank=True)
    actual_duration = models.CharField(max_length=50, null=True, blank=True)
    order_number = models.IntegerField(default=0)
    #: As `outcome.summed_up` says of its steps.
    execution_status = models.CharField(max_length=20, default=NOT_RUN)
    priority = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    type = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: By the ids of custom fields: see `tickets.custom_fields`.
    field_values = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="one_agile_run_per_number")
        ]
        indexes = [
            # As lists sort them.
            models.Index(
                fields=["account", "order_number", "name", "id"], name="agile_run_by_order"
            )
        ]

    def __str__(self) -> str:
        return self.name
