"""What is wrong with what is tested."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from backgroundtasks import clock


class Incident(models.Model):
    """A defect of a project; trackers' tickets may be kept in step with it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    project = models.ForeignKey(
        "tickets.Project",
        on_delete=models.CASCADE,
        related_name="incidents",
        db_index=False,  # the constraint below begins with it
    )
    #: From 1 within the project.
    number = models.PositiveIntegerField()
    summary = models.CharField(max_length=1000)
    description = models.TextField(null=True, blank=True)
    status = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    priority = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    type = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    resolution = models.ForeignKey(
        "tickets.PicklistItem", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: Raised by every change, whoever made it.
    version_number = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
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
            models.UniqueConstraint(fields=["project", "number"], name="one_incident_per_number")
        ]
        indexes = [models.Index(fields=["account", "created_at"], name="incident_by_account")]

    def __str__(self) -> str:
        return f"{self.number}: {self.summary}"


class IncidentComment(models.Model):
    """What somebody said of an incident."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(
        Incident,
        on_delete=models.CASCADE,
        related_name="comments",
        db_index=False,  # the index below begins with it
    )
    text = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["incident", "created_at"], name="comment_by_incident")]

    def __str__(self) -> str:
        return self.text[:80]
