"""Where assignments are kept."""

from __future__ import annotations

import uuid

from django.db import models

from backgroundtasks import clock


class ExecutionPackage(models.Model):
    """A folder of a project; packages form a tree."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    project = models.ForeignKey(
        "tickets.Project", on_delete=models.CASCADE, related_name="execution_packages"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    name = models.CharField(max_length=255)
    stereotype = models.CharField(max_length=100, null=True, blank=True)
    order_number = models.IntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
