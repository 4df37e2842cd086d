"""`/api/scriptassignment/{id}/runs`, `/api/scriptruns`, `/api/scriptrun/{id}`, `/api/stepresult/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets import manual_runs
from tickets.api import collection, lookup
from tickets.api.manual import bodies
from tickets.api.manual.serializers import DurationChange, ScriptRunChange
from tickets.models import Outcome, ScriptRun

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

MEMBERS: Final = {
    "Id": "id",
    "AssignmentId": "assignment",
    "ScriptId": "assignment__script",
    "Status": "status",
    "Completed": "completed",
    "CreatedAt": "created_at",
    "CreatedBy": "created_by__username",
    "RunBy": "run_by__username",
}
_ORDER: Final = ("-created_at",)


class ScriptAssignmentRuns(kit.ResourceView):
    """The runs of a script assignment."""

    def get(self, request: Request, script_assignment_id: UUID) -> kit.Response:
        """Return a page of runs, the last one first."""
        assignment = lookup.get(
            lookup.script_assignments(self.actor), script_assignment_id, "script assignment"
        )
        return collection.page(
            request,
            lookup.script_runs(self.actor).filter(assignment=assignment),
            partial(bodies.runs, request),
            MEMBERS,
            order=_ORDER,
        )

    def post(self, request: Request, script_assignment_id: UUID) -> kit.Response:
        """Begin a run with the steps that the script has now; 200 with the one that is under way."""
        assignment = lookup.get(
            lookup.script_assignments(self.actor), script_assignment_id, "script assignment"
        )
        try:
            run_id, created = manual_runs.begin(assignment, self.actor.user)
        except manual_runs.AssignmentGone:
            raise kit.NotFound(
                f"The script assignment {script_assignment_id} does not exist."
            ) from None
        row = lookup.get(lookup.script_runs(self.actor), run_id, "script run")
        [body] = bodies.runs(request, [row])
        return kit.Response(body, 201 if created else 200, headers={"Location": body["Self"]})


class ScriptRuns(kit.ResourceView):
    """The account's runs of scripts."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of runs, the last one first."""
        return collection.page(
            request,
            lookup.script_runs(self.actor),
            partial(bodies.runs, request),
            MEMBERS,
            order=_ORDER,
            entity_type="ScriptRun",
        )


class ScriptRunById(kit.ResourceView):
    """One run of a script."""

    def get(self, request: Request, script_run_id: UUID) -> kit.Response:
        """Return the run; `$expand=StepResults` shows its steps."""
        return kit.Response(bodies.runs(request, [self._row(script_run_id)])[0])

    def put(self, request: Request, script_run_id: UUID) -> kit.Response:
        """
        Say what came of steps; what is left out stays as it is.

        The run is completed when every step was run, or when `AttemptToComplete` says so and
        at least one was. Then its steps are frozen; `ActualDuration` and `FieldValues` are not.
        """
        row = self._row(script_run_id)
        self._change(row, self.read(ScriptRunChange))
        return kit.Response(bodies.runs(request, [self._row(script_run_id)])[0])

    def patch(self, request: Request, script_run_id: UUID) -> kit.Response:
        """Change `actualDuration` and `fieldValues`, in any letter case; all else is ignored. 204."""
        row = self._row(script_run_id)
        self._change(row, self.read(DurationChange, any_case=True))
        return kit.Response(status=204)

    def delete(self, request: Request, script_run_id: UUID) -> kit.Response:
        """Remove the run with its steps; their incidents stay."""
        manual_runs.remove_script_run(self._row(script_run_id))
        return kit.Response(status=200)

    def _row(self, identity: UUID) -> ScriptRun:
        row: ScriptRun = lookup.get(lookup.script_runs(self.actor), identity, "script run")
        return row

    def _change(self, row: ScriptRun, given: dict[str, Any]) -> None:
        results = {
            one["Id"]: manual_runs.Result(
                outcome=None if one.get("Outcome") is None else Outcome(one["Outcome"]),
                actual_result=one.get("ActualResult"),
                says_actual_result="ActualResult" in one,
            )
            for one in given.get("StepResults") or []
        }
        try:
            manual_runs.record(
                row.pk,
                self.actor.user,
                results,
                complete=bool(given.get("AttemptToComplete")),
                field_values=given.get("FieldValues"),
                **({"duration": given["ActualDuration"]} if "ActualDuration" in given else {}),
            )
        except manual_runs.RunGone:
            raise kit.NotFound(f"The script run {row.pk} does not exist.") from None
        except manual_runs.RunRefused as error:
            raise kit.Refused(str(error)) from None


class StepResultById(kit.ResourceView):
    """One step of a script's run."""

    def get(self, request: Request, step_result_id: UUID) -> kit.Response:
        """Return what came of the step."""
        row = lookup.get(lookup.step_results(self.actor), step_result_id, "step result")
        return kit.Response(bodies.step_results(request, [row])[0])
