"""Queues, and whether they are paused."""

from __future__ import annotations

from django.db import models


class Queue(models.Model):
    """A named queue. Paused: nothing of it is claimed; what runs, runs on."""

    name = models.CharField(primary_key=True, max_length=50)
    paused_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name
