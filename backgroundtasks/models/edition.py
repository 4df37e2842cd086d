"""What a scheduled task was before it was edited."""

from __future__ import annotations

from django.db import models


class Edition(models.Model):
    """
    A task as it was until an edit: runs that began before show it so.

    Written by the edit, and only where the task has runs; so a task that nobody edits has none.
    """

    task = models.ForeignKey(
        "backgroundtasks.Task", on_delete=models.CASCADE, related_name="editions", db_index=False
    )
    until = models.DateTimeField()
    #: Of the task and its schedule, by their fields' names; secrets are masked, times ISO 8601.
    values = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["task", "until"], name="edition_of_task")]

    def __str__(self) -> str:
        return f"until {self.until}"
