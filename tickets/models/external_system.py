"""A tracker that somebody runs elsewhere."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from backgroundtasks import clock


class ExternalSystem(models.Model):
    """
    How an account reaches a tracker.

    The password is sealed together with the base URL that it was given for, so that it can
    neither be read out of the database or a backup, nor be sent to another place.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    name = models.CharField(max_length=255)
    #: Which connector speaks with it: `builtin`, `jira`, `redmine`, `roundup`, `github`.
    kind = models.CharField(max_length=20)
    #: Without a slash at its end; empty for the built-in tracker.
    base_url = models.CharField(max_length=500, blank=True, default="")
    #: Where people open it, when that is not the base URL.
    display_url = models.CharField(max_length=500, blank=True, default="")
    #: Login, or what the connector takes for one; empty where a token is enough.
    user_name = models.CharField(max_length=255, blank=True, default="")
    #: `{"$sealed": …}`, or None without a password: see `tickets.credentials`.
    credentials = models.JSONField(null=True, blank=True, editable=False)
    #: What its connector wants to know beside: JSON object.
    settings = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)

    #: Calls in a row that found it unreachable; 0 after one that was answered.
    failures = models.PositiveIntegerField(default=0)
    #: Until then nobody calls it; None while it answers.
    open_until = models.DateTimeField(null=True, blank=True)
    #: Logins in a row that it refused.
    refused_logins = models.PositiveIntegerField(default=0)
    #: What is wrong with it at present, for people; empty while nothing is.
    problem = models.TextField(blank=True, default="")
    #: By the ids of custom fields: see `tickets.custom_fields`.
    field_values = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "account",
                Lower("name"),
                name="one_external_system_per_name",
                violation_error_message="An external system of this name exists already.",
            )
        ]

    def __str__(self) -> str:
        return self.name
