"""What of a project's versions and components an incident is about; there may be several."""

from __future__ import annotations

import uuid

from django.db import models


class PickedAs(models.TextChoices):
    """What a word says of the incident."""

    AFFECTED_VERSION = "AffectedVersion"
    FIXED_VERSION = "FixedVersion"
    COMPONENT = "Component"


class IncidentPick(models.Model):
    """One word that an incident has picked; the word is of the incident's project."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(
        "tickets.Incident",
        on_delete=models.CASCADE,
        related_name="picks",
        db_index=False,  # the constraint below begins with it
    )
    picked_as = models.CharField(max_length=20, choices=PickedAs.choices)
    item = models.ForeignKey(
        "tickets.PicklistItem", on_delete=models.CASCADE, related_name="incident_picks"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "picked_as", "item"], name="one_pick_per_incident"
            )
        ]

    def __str__(self) -> str:
        return f"{self.picked_as} {self.item_id} of {self.incident_id}"
