"""What is tested."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from backgroundtasks import clock


class Project(models.Model):
    """A project of an account; everything else of this app hangs below one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    slug = models.CharField(max_length=50, null=True, blank=True)
    manager = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    start_date = models.DateTimeField(null=True, blank=True)
    estimated_end_date = models.DateTimeField(null=True, blank=True)
    auto_number_requirements = models.BooleanField(default=False)
    auto_number_scripts = models.BooleanField(default=False)
    independent = models.BooleanField(default=False)
    requirement_number_read_only = models.BooleanField(default=False)
    script_number_read_only = models.BooleanField(default=False)
    order_number = models.IntegerField(default=0)
    #: False while a task fills it: nobody sees it. See `tickets.visibility`.
    is_complete = models.BooleanField(default=True, editable=False)
    #: The background run that hides it for as long as that has not ended: it removes or fills it.
    hidden_by = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "account",
                Lower("name"),
                # One that is being filled has it only when it is shown. The name of one that is on
                # its way out may be given again: see `tickets.naming`.
                condition=models.Q(is_complete=True),
                name="one_project_per_name",
                violation_error_message="A project of this name exists already.",
            )
        ]
        indexes = [
            models.Index(
                fields=["hidden_by"],
                condition=models.Q(hidden_by__isnull=False),
                name="project_hidden",
            )
        ]

    def __str__(self) -> str:
        return self.name
