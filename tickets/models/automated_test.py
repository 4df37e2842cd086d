"""What a machine tests."""

from __future__ import annotations

import uuid

from django.db import models

from backgroundtasks import clock


class AutomatedTest(models.Model):
    """A test that a tool runs, and how its results are to be read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    project = models.ForeignKey(
        "tickets.Project", on_delete=models.CASCADE, related_name="automated_tests"
    )
    package = models.ForeignKey(
        "tickets.ExecutionPackage",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="automated_tests",
    )
    name = models.CharField(max_length=255)
    #: The vendor's word for the tool: `UnitTest`, `Selenium`, `QTP`, `RFT` …
    type = models.CharField(max_length=50, default="UnitTest")
    #: JSON object; `Type` in it is the sub-type, such as `JUnit`.
    configuration = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
