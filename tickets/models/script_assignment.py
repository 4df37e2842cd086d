"""Which script a person is to run where."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from backgroundtasks import clock


class ScriptAssignment(models.Model):
    """A script in an execution package of its project."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    script = models.ForeignKey(
        "tickets.Script", on_delete=models.CASCADE, related_name="assignments"
    )
    package = models.ForeignKey(
        "tickets.ExecutionPackage", on_delete=models.CASCADE, related_name="script_assignments"
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"script assignment {self.pk}"
