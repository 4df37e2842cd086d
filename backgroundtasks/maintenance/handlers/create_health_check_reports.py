"""`CreateHealthCheckReports`: a report on the installation, kept as the result of its run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from backgroundtasks import clock
from backgroundtasks.handlers import Outcome, TaskHandler, permissions
from backgroundtasks.maintenance import health

if TYPE_CHECKING:
    from backgroundtasks.handlers import TaskContext


class CreateHealthCheckReports(TaskHandler):
    """Check the installation, and keep the report."""

    task_type = "CreateHealthCheckReports"
    permissions = permissions.SECURITY
    idempotent = True

    class Parameters(serializers.Serializer[Any]):
        """What the report is called."""

        name = serializers.RegexField(
            r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
            max_length=80,
            default="health",
            help_text="Beginning of the report's name; the time (UTC) is appended.",
        )
        suiteIds = serializers.CharField(
            default=health.SUITE, max_length=1000, help_text="Suites of checks, with commas."
        )

        def validate_suiteIds(self, value: str) -> str:  # noqa: N802 - named by its field
            """Refuse a suite that there is not."""
            if {suite.strip() for suite in value.split(",")} != {health.SUITE}:
                raise serializers.ValidationError(f"The only suite is {health.SUITE}.")
            return value

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Make all checks."""
        made_at = clock.now()
        found = health.findings()
        name, worst = f"{parameters['name']}-{made_at:%Y-%m-%d-%H-%M-%S}", health.worst(found)
        context.progress(len(found), len(found), f"Report {name} has been created: {worst}.")
        return Outcome(
            {
                "name": name,
                "made_at": made_at.isoformat(timespec="seconds"),
                "result": worst,
                "checks": [asdict(finding) for finding in found],
            },
            [
                f"{finding.name}: {finding.text}"
                for finding in found
                if finding.result != health.PASSED
            ],
        )
