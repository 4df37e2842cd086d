"""The row that the reference view inserts."""

from django.db import models


class Job(models.Model):
    """What a plain project would remember of a task that it starts."""

    type = models.CharField(max_length=100)
    parameters = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"
