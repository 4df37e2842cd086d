"""A file that somebody attached to a step, a result or an incident."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from backgroundtasks import clock

#: The fields of what it may be attached to. Exactly one of them is set, and `node` with `run` only.
OWNERS = ("step_result", "agile_step", "run", "incident")


def _one_owner() -> models.Q:
    found = models.Q()
    for owner in OWNERS:
        found |= models.Q(
            **{f"{owner}__isnull": False},
            **{f"{other}__isnull": True for other in OWNERS if other != owner},
        )
    return found


def _index(field: str, name: str) -> models.Index:
    """Return an index of the attachments of one kind; most rows are of another."""
    return models.Index(
        fields=[field, "created_at"],
        condition=models.Q(**{f"{field}__isnull": False}),
        name=name,
    )


class Attachment(models.Model):
    """
    What is known of the file; its content lies in the file store, under a name made of its id.

    The content is stored before the row, and removed after it: see `tickets.attachments`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        db_index=False,  # the first index below begins with it
    )
    project = models.ForeignKey(
        "tickets.Project", on_delete=models.CASCADE, related_name="attachments"
    )
    step_result = models.ForeignKey(
        "tickets.StepResult",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="attachments",
        db_index=False,
    )
    agile_step = models.ForeignKey(
        "tickets.AgileRunStep",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="attachments",
        db_index=False,
    )
    run = models.ForeignKey(
        "tickets.AutomatedTestRun",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="attachments",
        db_index=False,
    )
    #: Of `run`; it goes with that, as incidents' links do: nodes are removed by the thousand.
    node = models.ForeignKey(
        "tickets.ResultNode",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="attachments",
        db_index=False,
        db_constraint=False,
    )
    incident = models.ForeignKey(
        "tickets.Incident",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="attachments",
        db_index=False,
    )
    #: Without folders and control characters; what it is called when it is downloaded.
    name = models.CharField(max_length=255)
    #: `image/png`, without parameters.
    content_type = models.CharField(max_length=255)
    #: In bytes.
    size = models.PositiveBigIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=_one_owner(), name="attachment_has_one_owner"),
            models.CheckConstraint(
                condition=models.Q(node__isnull=True) | models.Q(run__isnull=False),
                name="attachment_of_node_has_run",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="attachment_by_account"),
            _index("step_result", "attachment_by_step_result"),
            _index("agile_step", "attachment_by_agile_step"),
            _index("run", "attachment_by_run"),
            _index("node", "attachment_by_node"),
            _index("incident", "attachment_by_incident"),
        ]

    def __str__(self) -> str:
        return self.name
