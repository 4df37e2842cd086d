"""Places for backups that operators have registered, beside those of the settings."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from backgroundtasks import clock


class StoreKind(models.TextChoices):
    """What a store is made of."""

    LOCAL = "local"  #: a folder
    S3 = "s3"  #: a bucket of an S3-compatible server
    SETTINGS = "settings"  #: named by the settings; its row only says that it is the default


class BackupStore(models.Model):
    """A registered backup store. Only `operations` write it."""

    name = models.CharField(primary_key=True, max_length=100)
    kind = models.CharField(max_length=10, choices=StoreKind.choices)
    #: `{"path"}`, or `{"bucket", "prefix", "endpoint_url", "region"}`.
    settings = models.JSONField(default=dict)
    #: `{"access_key_id", "secret_access_key"}`, the secret sealed (`handlers.secrets`); or empty.
    credentials = models.JSONField(default=dict)
    #: What a task that names no store takes.
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_backup_store"
            )
        ]

    def __str__(self) -> str:
        return self.name
