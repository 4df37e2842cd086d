"""What a person tests."""

from __future__ import annotations

import uuid

from django.db import models

from backgroundtasks import clock


class Script(models.Model):
    """The steps of a manual test; each run copies them, so changing them changes no result."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    project = models.ForeignKey("tickets.Project", on_delete=models.CASCADE, related_name="scripts")
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    #: Raised by every change of the steps.
    version = models.PositiveIntegerField(default=1)
    #: In order: `[{"description", "data", "notes", "expected_result"}]`, each a text or None.
    steps = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["account", "name"], name="script_by_account")]

    def __str__(self) -> str:
        return self.name
