"""The words that a project may choose from."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower


class Picklist(models.TextChoices):
    """Which choice it is for; agile runs and incidents share the priorities."""

    PRIORITY = "Priority"
    STATUS = "Status"
    TEST_TYPE = "TestType"
    INCIDENT_STATUS = "IncidentStatus"
    INCIDENT_TYPE = "IncidentType"
    INCIDENT_RESOLUTION = "IncidentResolution"
    VERSION = "Version"
    COMPONENT = "Component"


def validate_word(value: str) -> None:
    """Refuse what does not stand on one line."""
    if not value.isprintable():
        raise ValidationError("It holds a line break or another control character.")


class PicklistItem(models.Model):
    """One word of one of a project's picklists; trackers add theirs as they are met."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    project = models.ForeignKey(
        "tickets.Project",
        on_delete=models.CASCADE,
        related_name="picklist_items",
        db_index=False,  # the constraint below begins with it
    )
    picklist = models.CharField(max_length=20, choices=Picklist.choices)
    name = models.CharField(max_length=255, validators=[validate_word])
    order_number = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "project", "picklist", Lower("name"), name="one_picklist_item_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name
