"""One time that a person runs a script."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from backgroundtasks import clock
from tickets.models.outcome import NOT_RUN


class ScriptRun(models.Model):
    """The results of a script's steps; frozen once it is completed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    assignment = models.ForeignKey(
        "tickets.ScriptAssignment",
        on_delete=models.CASCADE,
        related_name="runs",
        db_index=False,  # the index below begins with it
    )
    script_version = models.PositiveIntegerField(default=1)
    #: As `outcome.summed_up` says.
    status = models.CharField(max_length=20, default=NOT_RUN)
    completed = models.BooleanField(default=False)
    #: As whoever ran it wrote it: `00:12:30`.
    actual_duration = models.CharField(max_length=50, null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: Who gave the last result.
    run_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: By the ids of custom fields: see `tickets.custom_fields`.
    field_values = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            # Whoever starts one while another is under way gets that one.
            models.UniqueConstraint(
                fields=["assignment"],
                condition=Q(completed=False),
                name="one_incomplete_run_per_assignment",
            )
        ]
        indexes = [
            models.Index(fields=["assignment", "created_at"], name="script_run_by_assignment"),
            models.Index(fields=["account", "created_at"], name="script_run_by_account"),
        ]

    def __str__(self) -> str:
        return f"script run {self.pk}"
