"""One suite or test case of a run."""

from __future__ import annotations

import uuid

from django.db import models


class ResultNode(models.Model):
    """
    A node of a run's tree.

    Written by the thousand, so it has as few indexes and constraints as reading needs.
    Ids of one import differ in their last eight digits only, which are `position`: they
    are cheap to make, a parent's is known before its row, and they sort as they come.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: Constrained, so that an attempt whose run was taken away from it cannot go on writing.
    run = models.ForeignKey(
        "tickets.AutomatedTestRun",
        on_delete=models.CASCADE,
        related_name="nodes",
        db_index=False,  # the index below begins with it
    )
    #: Not constrained: children are written before their suite, whose row needs its end.
    parent = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="children",
        db_index=False,
        db_constraint=False,
    )
    #: Order in the report, over all its suites and cases; from 0.
    position = models.PositiveIntegerField()
    is_case = models.BooleanField()
    name = models.CharField(max_length=1000)
    class_name = models.CharField(max_length=1000, blank=True)
    #: A word of `tickets.results.node.Status`.
    status = models.CharField(max_length=10)
    is_flaky = models.BooleanField(default=False)
    #: Failed, with an error, or flaky: what somebody will search for.
    needs_attention = models.BooleanField(default=False)
    #: None when absent or unreadable.
    duration_seconds = models.FloatField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    description = models.TextField(null=True)
    notes = models.TextField(null=True)
    #: Maps of strings, or None.
    metadata = models.JSONField(null=True)
    parameters = models.JSONField(null=True)
    has_children = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["run", "parent", "position"], name="node_by_place"),
            models.Index(
                fields=["run", "id"],
                condition=models.Q(needs_attention=True),
                name="node_by_attention",
            ),
        ]

    def __str__(self) -> str:
        return self.name
