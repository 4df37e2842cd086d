"""`/api/automatedtestruns`, `/api/automatedtestrun/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from backgroundtasks.api import kit
from tickets import staging
from tickets.api import collection, expansions, lookup

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

MEMBERS: Final = {
    "Id": "id",
    "AssignmentId": "assignment",
    "Status": "status",
    "RunBy": "run_by__username",
    "ImportedAt": "imported_at",
    "StartedAt": "started_at",
    "FinishedAt": "finished_at",
}
ORDER: Final = ("-imported_at",)


class Runs(kit.ResourceView):
    """The account's runs of automated tests."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of runs, the last one first."""
        return collection.page(
            request,
            lookup.runs(self.actor),
            partial(expansions.runs, request),
            MEMBERS,
            order=ORDER,
            entity_type="AutomatedTestRun",
        )


class RunById(kit.ResourceView):
    """One run."""

    def get(self, request: Request, run_id: UUID) -> kit.Response:
        """Return the run."""
        row = lookup.get(lookup.runs(self.actor), run_id, "automated test run")
        return kit.Response(expansions.runs(request, [row])[0])

    def delete(self, request: Request, run_id: UUID) -> kit.Response:
        """Remove the run with its nodes; from the first moment on nobody sees it any more."""
        row = lookup.get(lookup.runs(self.actor), run_id, "automated test run")
        if not staging.discard(row.pk):
            raise kit.NotFound(f"The automated test run {run_id} does not exist.")
        return kit.Response(status=200)
