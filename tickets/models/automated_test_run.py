"""One import of results."""

from __future__ import annotations

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from backgroundtasks import clock


class Stage(models.TextChoices):
    """How far the rows of a run are; only a shown one can be seen by anybody."""

    STAGED = "staged"  #: an import is writing its nodes
    SHOWN = "shown"
    DISCARDED = "discarded"  #: given up or deleted; its nodes are being removed


class AutomatedTestRunQuerySet(models.QuerySet["AutomatedTestRun"]):
    """Runs, by what may be seen of them."""

    def shown(self) -> Self:
        """Return the runs that are there as far as anybody outside an import is concerned."""
        return self.filter(stage=Stage.SHOWN)


class AutomatedTestRun(models.Model):
    """
    The results of one upload, with their totals.

    The nodes of an import are staged in short transactions under a run that nobody sees,
    and shown by one UPDATE of `stage`. An attempt that failed leaves at most a staged run,
    which the next attempt of its import removes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    assignment = models.ForeignKey(
        "tickets.AutomatedTestAssignment",
        on_delete=models.CASCADE,
        related_name="runs",
        db_index=False,  # the second index below begins with it
    )
    #: The background run that imports it.
    import_id = models.UUIDField(db_index=True, editable=False)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.STAGED)
    run_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: A word of `tickets.results.node.Status`.
    status = models.CharField(max_length=10, default="NotRun")
    staged_at = models.DateTimeField(default=clock.now, editable=False)
    imported_at = models.DateTimeField(null=True, blank=True)
    #: As the reports say; None where they do not.
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    errors = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    passed = models.PositiveIntegerField(default=0)
    warnings = models.PositiveIntegerField(default=0)
    total_results = models.PositiveIntegerField(default=0)
    total_nodes = models.PositiveIntegerField(default=0)

    objects: ClassVar = AutomatedTestRunQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["account", "stage", "imported_at"], name="run_by_account"),
            models.Index(fields=["assignment", "stage", "imported_at"], name="run_by_assignment"),
            models.Index(fields=["-imported_at", "id"], name="run_by_import"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"
