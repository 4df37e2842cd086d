"""`/api/agileruns`, `/api/agilerun/{id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks.api import kit
from indexing import documents
from tickets import attachments, numbering, picklists, removal
from tickets.api import collection, lookup
from tickets.api.custom_fields import fill
from tickets.api.manual import bodies
from tickets.api.manual.serializers import AgileRunChange, AgileRunWrite
from tickets.api.picklists import choose
from tickets.models import AgileRun, AgileRunStep, Attachment, FieldOf, Incident, Outcome, Picklist
from tickets.models.outcome import summed_up

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "Number": "number",
    "PackageId": "package",
    "ProjectId": "project",
    "ExecutionStatus": "execution_status",
    "AssignedTo": "assigned_to__username",
    "OrderNumber": "order_number",
}
ORDER: Final = ("order_number", "name")
_CHOICES: Final = {
    "PriorityId": ("priority", Picklist.PRIORITY),
    "StatusId": ("status", Picklist.STATUS),
    "TypeId": ("type", Picklist.TEST_TYPE),
}
_TEXTS: Final = {
    "Description": "description",
    "Notes": "notes",
    "Objective": "objective",
    "PreCondition": "pre_condition",
    "PostCondition": "post_condition",
    "EstimatedDuration": "estimated_duration",
    "ActualDuration": "actual_duration",
}
_STEP: Final = {
    "Description": "description",
    "ExpectedResult": "expected_result",
    "Notes": "notes",
    "Data": "data",
    "ActualResult": "actual_result",
}


class AgileRuns(kit.ResourceView):
    """The account's agile runs."""

    def get(self, request: Request) -> kit.Response:
        """Return a page of agile runs."""
        return collection.page(
            request,
            lookup.agile_runs(self.actor),
            partial(bodies.agile_runs, request),
            MEMBERS,
            order=ORDER,
            entity_type="AgileRun",
        )

    def post(self, request: Request) -> kit.Response:
        """Create an agile run in an execution package."""
        given = self.read(AgileRunWrite)
        if given["PackageId"] is None:
            raise kit.Refused("PackageId: This field is required.")
        package = lookup.require(
            lookup.packages(self.actor).select_related("project"),
            given["PackageId"],
            "execution package",
        )
        row = AgileRun(account=self.actor.account, package=package, project=package.project)
        try:
            _save(self.actor, row, given)
        except numbering.ProjectGone as error:
            raise kit.Refused(str(error)) from None
        [body] = bodies.agile_runs(request, [row])
        return kit.Response(body, 201, headers={"Location": body["Self"]})


class AgileRunById(kit.ResourceView):
    """One agile run."""

    def get(self, request: Request, agile_run_id: UUID) -> kit.Response:
        """Return the agile run; `$expand=Steps` shows its steps."""
        return kit.Response(bodies.agile_runs(request, [self._row(agile_run_id)])[0])

    def put(self, request: Request, agile_run_id: UUID) -> kit.Response:
        """
        Change the agile run; what is left out stays as it is.

        `Steps` are all of them, in order: those with an `Id` are changed, the others added,
        and those that are not named are removed.
        """
        given = self.read(AgileRunChange)
        with lookup.held(lookup.agile_runs(self.actor), agile_run_id, "agile run") as row:
            _save(self.actor, row, given)
        return kit.Response(bodies.agile_runs(request, [self._row(agile_run_id)])[0])

    def delete(self, request: Request, agile_run_id: UUID) -> kit.Response:
        """Remove the agile run with its steps; their incidents stay."""
        row = self._row(agile_run_id)
        removal.finish(removal.remove(AgileRun.objects.filter(pk=row.pk)))
        return kit.Response(status=200)

    def _row(self, identity: UUID) -> AgileRun:
        row: AgileRun = lookup.get(lookup.agile_runs(self.actor), identity, "agile run")
        return row


def _save(actor: Actor, row: AgileRun, given: dict[str, Any]) -> None:
    """Store an agile run and its steps with what a request gave, and index it."""
    if given.get("PackageId") and given["PackageId"] != row.package_id:
        package = lookup.require(lookup.packages(actor), given["PackageId"], "execution package")
        if package.project_id != row.project_id:
            raise kit.Refused("An agile run stays in its project.")
        row.package = package
    if given.get("Name") is not None:
        row.name = given["Name"]
    if given.get("OrderNumber") is not None:
        row.order_number = given["OrderNumber"]
    if "AssignedToId" in given:
        row.assigned_to = lookup.member(actor, given["AssignedToId"])
    for name, column in _TEXTS.items():
        if name in given:
            setattr(row, column, given[name])
    choose(row, given, _CHOICES)
    fill(row, given, FieldOf.AGILE_RUN, row.project_id)
    with transaction.atomic():
        if row._state.adding:  # noqa: SLF001 - documented API
            row.number = numbering.next_number(AgileRun, row.project_id)
            row.status = row.status or picklists.first(row.project, Picklist.STATUS)
            row.priority = row.priority or picklists.first(row.project, Picklist.PRIORITY)
            row.type = row.type or picklists.first(row.project, Picklist.TEST_TYPE)
        row.save()
        if given.get("Steps"):
            _save_steps(row, given["Steps"])
            row.execution_status = summed_up(row.steps.values_list("result", flat=True))
            row.save(update_fields=["execution_status", "updated_at"])
        documents.index(AgileRun, [row.pk])


def _save_steps(run: AgileRun, given: list[dict[str, Any]]) -> None:
    """Let a run have these steps and no others."""
    # Held in the order of their ids, as whoever holds several does: no two wait for each other.
    held = run.steps.select_for_update(no_key=True).order_by("pk")
    known = {step.pk: step for step in held}
    named = [step["Id"] for step in given if step.get("Id")]
    if len(named) != len(set(named)):
        raise kit.Refused("Steps: One step is named twice.")
    for identity in named:
        if identity not in known:
            raise kit.Refused(f"Steps: The agile run has no step {identity}.")
    removed = run.steps.exclude(pk__in=named)
    # Their links go with them, and search follows.
    linked = Incident.objects.filter(agile_step_links__step__in=removed)
    incidents = set(linked.values_list("pk", flat=True))
    for _ in attachments.remove(Attachment.objects.filter(agile_step__in=removed)):
        pass
    removed.delete()
    documents.index(Incident, incidents)
    changed: list[AgileRunStep] = []
    added: list[AgileRunStep] = []
    for position, one in enumerate(given):
        step = known[one["Id"]] if one.get("Id") else AgileRunStep(run=run)
        step.position = position
        for name, column in _STEP.items():
            if name in one:
                setattr(step, column, one[name])
        if one.get("Result") is not None:
            step.result = Outcome(one["Result"])
        (changed if step.pk in known else added).append(step)
    AgileRunStep.objects.bulk_create(added)
    AgileRunStep.objects.bulk_update(changed, ["position", "result", *_STEP.values()])
