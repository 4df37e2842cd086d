"""What is to be done."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Value

from backgroundtasks import clock


class Task(models.Model):
    """What to do: type, parameters, owner, account. Its executions are runs (`TaskStatus`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    #: Who asked for it; the permission is asked of this user again when a run starts.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    task_type = models.CharField(max_length=100)
    title = models.CharField(max_length=200, blank=True, default="")
    #: As the handler's serializer writes them; secret values are sealed (`handlers.secrets`).
    parameters = models.JSONField(default=dict)
    #: Through which door it came: `enterprise_tester`, `admin`, `command`, `code` …
    origin = models.CharField(max_length=30, default="code")
    #: Name to value, for people and their filters.
    labels = models.JSONField(default=dict, db_default=Value({}, models.JSONField()), blank=True)
    #: What it works on, as the handler's `resource` says: `{"id", "name", "kind", "path"}`.
    resource = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.title or self.task_type
