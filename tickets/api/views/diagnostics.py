"""`/api/diagnostics/performancemeasurement/latest`: what the last performance test found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks import queries
from backgroundtasks.api import kit
from backgroundtasks.handlers import permissions
from backgroundtasks.states import GOOD
from tickets.handlers.performance_test import PerformanceTest

if TYPE_CHECKING:
    from rest_framework.request import Request


class LatestPerformanceMeasurement(kit.ResourceView):
    """The report of the account's last performance test that ended well."""

    def get(self, request: Request) -> kit.Response:
        """Return the report; as a file with `export=true`."""
        permissions.require(PerformanceTest.permissions, self.actor, "see diagnostics")
        said = request.query_params.get("export", "false").lower()
        if said not in {"true", "false"}:
            raise kit.Refused("export must be true or false.")
        runs = queries.visible_runs(self.actor).filter(
            task_type=PerformanceTest.task_type, state__in=GOOD
        )
        run = runs.order_by("-position").first()
        if run is None:
            raise kit.NotFound("No performance test has ended well yet.")
        public_id = f"{PerformanceTest.public_prefix()}{run.pk}"
        body = {
            "MeasuredAt": run.finished_at,
            **((run.result or {}).get("values") or {}),
            "Self": kit.link(request, "latest-performancemeasurement"),
            "Links": [
                {
                    "Href": kit.link(request, "backgroundtask", public_id=public_id),
                    "Rel": "BackgroundTask",
                }
            ],
        }
        headers = {}
        if said == "true":
            name = f"performance-{run.pk}.json"
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return kit.Response(body, headers=headers)
