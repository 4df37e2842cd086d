"""What makes a repeated submission the same submission."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from backgroundtasks import clock


class IdempotencyKey(models.Model):
    """A key that a caller sent with a submission, and the run that it led to."""

    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE, db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    #: The method and path it was sent to.
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    #: SHA-256 of the body, in hex.
    digest = models.CharField(max_length=64)
    run = models.ForeignKey("backgroundtasks.TaskStatus", on_delete=models.CASCADE)
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "user", "route", "key"], name="one_run_per_idempotency_key"
            )
        ]

    def __str__(self) -> str:
        return self.key
