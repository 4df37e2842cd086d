"""
Where an incident can be found: a step of a script's run, of an agile run, a node of a report.

All three are linked with incidents in one way, by hand and by tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from indexing import documents
from tickets import visibility
from tickets.models import (
    AgileRunStep,
    AgileRunStepIncident,
    AutomatedTestRun,
    Incident,
    IncidentLink,
    Project,
    ResultNode,
    ResultNodeIncident,
    Stage,
    StepResult,
    StepResultIncident,
)

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet


class PlaceGone(Exception):
    """What should be linked was removed meanwhile."""


@dataclass(frozen=True, slots=True)
class Place:
    """One step or node that the account has."""

    #: For people: `step`, `result node`.
    word: str
    model: type[IncidentLink]
    target: StepResult | AgileRunStep | ResultNode
    #: Of the run that it belongs to.
    run_id: UUID
    project: Project
    #: For people, in a tracker: what failed.
    title: str

    @property
    def links(self) -> QuerySet[Any]:
        """The links of this place."""
        return self.model._default_manager.filter(**{self.model.found_by: self.target.pk})  # noqa: SLF001 - Django's public name for it

    def link(self, incident: Incident, *, linked_by: UUID | None = None) -> tuple[Any, bool]:
        """
        Link an incident with this place, unless it is; the search index follows.

        Args:
            incident: Of the place's project.
            linked_by: The background run that does it.

        Returns:
            The link, and whether it was made now.

        Raises:
            PlaceGone: the place or the incident was removed meanwhile.
        """
        values: dict[str, Any] = {self.model.found_by: self.target, "incident": incident}
        if isinstance(self.target, ResultNode):
            values["run_id"] = self.run_id
        made = self.model(**values, linked_by=linked_by)
        with transaction.atomic():
            if not (self._hold() and _hold(Incident.objects.filter(pk=incident.pk))):
                raise PlaceGone
            self.model._default_manager.bulk_create([made], ignore_conflicts=True)  # noqa: SLF001
            link = self.links.get(incident=incident)
            created = link.pk == made.pk
            if created:
                documents.relate(Incident, incident.pk, incident.account_id, self._related)
        return link, created

    def unlink(self, incident_id: UUID) -> bool:
        """Remove a link; return whether there was one. The incident stays."""
        with transaction.atomic():
            removed, _ = self.links.filter(incident=incident_id).delete()
            if removed:
                documents.index(Incident, [incident_id])
        return bool(removed)

    @property
    def _related(self) -> list[tuple[str, UUID]]:
        """What the search index says an incident of this place is related to."""
        if isinstance(self.target, ResultNode):
            return [("AutomatedTestRun", self.run_id), ("ResultNode", self.target.pk)]
        return [("AgileRun" if isinstance(self.target, AgileRunStep) else "ScriptRun", self.run_id)]

    def _hold(self) -> bool:
        """Keep the place from being removed until the transaction ends; return whether it is there."""
        if isinstance(self.target, ResultNode):
            # Nodes are removed after their run was discarded.
            return _hold(AutomatedTestRun.objects.filter(pk=self.run_id, stage=Stage.SHOWN))
        return _hold(type(self.target)._default_manager.filter(pk=self.target.pk))  # noqa: SLF001


def _hold(rows: QuerySet[Any]) -> bool:
    held = rows.select_for_update(no_key=True).values_list("pk", flat=True)
    return held.first() is not None


def of_step_result(account_id: UUID, step_result_id: UUID) -> Place | None:
    """Return a step of a script's run; None for one that the account has not."""
    step = (
        StepResult.objects.filter(pk=step_result_id, run__account=account_id)
        .exclude(run__assignment__script__project__in=visibility.hidden_projects())
        .select_related("run__assignment__script__project")
        .first()
    )
    if step is None:
        return None
    script = step.run.assignment.script
    title = f"Step {step.position + 1} of {script.name}"
    return Place("step result", StepResultIncident, step, step.run_id, script.project, title)


def of_agile_step(account_id: UUID, run_id: UUID, step_id: UUID) -> Place | None:
    """Return a step of an agile run; None for one that the account has not."""
    step = (
        AgileRunStep.objects.filter(pk=step_id, run=run_id, run__account=account_id)
        .exclude(run__project__in=visibility.hidden_projects())
        .select_related("run__project")
        .first()
    )
    if step is None:
        return None
    title = f"Step {step.position + 1} of {step.run.name}"
    return Place("step", AgileRunStepIncident, step, run_id, step.run.project, title)


def of_node(account_id: UUID, run_id: UUID, node_id: UUID) -> Place | None:
    """Return a node of a run that is shown; None for one that the account has not."""
    node = (
        ResultNode.objects.filter(
            pk=node_id, run=run_id, run__account=account_id, run__stage=Stage.SHOWN
        )
        .exclude(run__assignment__automated_test__project__in=visibility.hidden_projects())
        .select_related("run__assignment__automated_test__project")
        .defer("metadata", "parameters", "notes")
        .first()
    )
    if node is None:
        return None
    project = node.run.assignment.automated_test.project
    return Place("result node", ResultNodeIncident, node, run_id, project, node.name)
