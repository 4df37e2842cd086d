"""Worker processes and their signs of life."""

from __future__ import annotations

import uuid

from django.db import models

from backgroundtasks import clock


class Worker(models.Model):
    """One worker process, from its first claim to its end."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    #: Machine start and process namespace: only within the same one does a pid mean anything.
    host_id = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    #: The process' start in clock ticks since the machine's, so that a reused pid is told apart.
    pid_started = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(default=clock.now)
    beat_at = models.DateTimeField(default=clock.now)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["beat_at"], name="worker_beat")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
