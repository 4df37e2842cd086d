"""Which tracker a project uses."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from backgroundtasks import clock


class ExternalSystemLink(models.Model):
    """An external system in a project; of type `Incident` it is a defect tracker."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    external_system = models.ForeignKey(
        "tickets.ExternalSystem",
        on_delete=models.CASCADE,
        related_name="links",
        db_index=False,  # the first constraint below begins with it
    )
    project = models.ForeignKey(
        "tickets.Project",
        on_delete=models.CASCADE,
        related_name="external_system_links",
        db_index=False,  # the second constraint below begins with it
    )
    type = models.CharField(max_length=20, default="Incident")
    name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True)
    #: The project inside the tracker: `TST`, `owner/repository` …; empty for all of it.
    tracker_project = models.CharField(max_length=255, blank=True, default="")
    #: When a synchronisation last went through to its end, and when it began.
    last_synchronized_at = models.DateTimeField(null=True, blank=True)
    #: Likewise, from the tracker to us and from us to the tracker.
    last_pulled_at = models.DateTimeField(null=True, blank=True)
    last_pushed_at = models.DateTimeField(null=True, blank=True)
    #: From where the next look for changes goes on, by the tracker's clock.
    changed_since = models.DateTimeField(null=True, blank=True, editable=False)
    #: Why the last synchronisation did not go through, for people; empty otherwise.
    problem = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_system", "project", "type", "tracker_project"],
                name="one_link_per_tracker_project",
                violation_error_message="The project is linked with this already.",
            ),
            models.UniqueConstraint(
                "project",
                Lower("name"),
                name="one_external_link_per_name",
                violation_error_message="A link of this name exists already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
