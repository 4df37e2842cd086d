"""
Where an incident can be found: a step of a script's run, of an agile run, a node of a report.

All three are linked with incidents in one way, by hand and by tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks import kept
from indexing import documents
from tickets import visibility
from tickets.models import (
    AgileRunStep,
    AgileRunStepIncident,
    AutomatedTestRun,
    Incident,
    IncidentLink,
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
    target_id: UUID
    #: Of the run that it belongs to.
    run_id: UUID
    project_id: UUID
    #: For people, in a tracker: what failed.
    title: str

    @property
    def links(self) -> QuerySet[Any]:
        """The links of this place."""
        return self.model._default_manager.filter(**{self.model.found_by: self.target_id})  # noqa: SLF001 - Django's public name for it

    def link(
        self, incident_id: UUID, account_id: UUID, *, linked_by: UUID | None = None
    ) -> tuple[Any, bool]:
        """
        Link an incident with this place, unless it is; the search index follows.

        Within a transaction.

        Args:
            incident_id: Of an incident of the place's project, which is held.
            account_id: Theirs.
            linked_by: The background run that does it.

        Returns:
            The link, and whether it was made now.

        Raises:
            PlaceGone: it was removed meanwhile.
        """
        values = {f"{self.model.found_by}_id": self.target_id, "incident_id": incident_id}
        if self.model is ResultNodeIncident:
            values["run_id"] = self.run_id
        made = self.model(**values, linked_by=linked_by)
        if not _HOLD[self.model](self._held_id):
            raise PlaceGone
        if not kept.insert_once(made):
            return self.links.get(incident=incident_id), False
        documents.relate(Incident, incident_id, account_id, self._related)
        return made, True

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
        if self.model is ResultNodeIncident:
            return [("AutomatedTestRun", self.run_id), ("ResultNode", self.target_id)]
        name = "AgileRun" if self.model is AgileRunStepIncident else "ScriptRun"
        return [(name, self.run_id)]

    @property
    def _held_id(self) -> UUID:
        """The id of what keeps the place from being removed: nodes go after their run was discarded."""
        return self.run_id if self.model is ResultNodeIncident else self.target_id


def _held(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Keep rows from being removed until the transaction ends."""
    return rows.select_for_update(no_key=True).values_list("pk", flat=True)


@kept.query
def _hold_step_result(step: UUID) -> QuerySet[Any]:
    return _held(StepResult.objects.filter(pk=step))


@kept.query
def _hold_agile_step(step: UUID) -> QuerySet[Any]:
    return _held(AgileRunStep.objects.filter(pk=step))


@kept.query
def _hold_run_of_node(run: UUID) -> QuerySet[Any]:
    return _held(AutomatedTestRun.objects.filter(pk=run, stage=Stage.SHOWN))


_HOLD: Final[dict[type[IncidentLink], kept.Query[[UUID], Any]]] = {
    StepResultIncident: _hold_step_result,
    AgileRunStepIncident: _hold_agile_step,
    ResultNodeIncident: _hold_run_of_node,
}


def of_step_result(account_id: UUID, step_result_id: UUID) -> Place | None:
    """Return a step of a script's run; None for one that the account has not."""
    row = _step_result.first(account_id, step_result_id)
    if row is None:
        return None
    run_id, project_id, position, name = row
    title = f"Step {position + 1} of {name}"
    return Place("step result", StepResultIncident, step_result_id, run_id, project_id, title)


@kept.query
def _step_result(account: UUID, step: UUID) -> QuerySet[Any, tuple[UUID, UUID, int, str]]:
    script = "run__assignment__script"
    rows = StepResult.objects.filter(pk=step, run__account=account)
    shown = rows.exclude(**{f"{script}__project__in": visibility.hidden_projects()})
    return shown.values_list("run_id", f"{script}__project_id", "position", f"{script}__name")


def of_agile_step(account_id: UUID, run_id: UUID, step_id: UUID) -> Place | None:
    """Return a step of an agile run; None for one that the account has not."""
    row = _agile_step.first(account_id, run_id, step_id)
    if row is None:
        return None
    project_id, position, name = row
    title = f"Step {position + 1} of {name}"
    return Place("step", AgileRunStepIncident, step_id, run_id, project_id, title)


@kept.query
def _agile_step(account: UUID, run: UUID, step: UUID) -> QuerySet[Any, tuple[UUID, int, str]]:
    rows = AgileRunStep.objects.filter(pk=step, run=run, run__account=account)
    shown = rows.exclude(run__project__in=visibility.hidden_projects())
    return shown.values_list("run__project_id", "position", "run__name")


def of_node(account_id: UUID, run_id: UUID, node_id: UUID) -> Place | None:
    """Return a node of a run that is shown; None for one that the account has not."""
    row = _node.first(account_id, run_id, node_id)
    if row is None:
        return None
    project_id, name = row
    return Place("result node", ResultNodeIncident, node_id, run_id, project_id, name)


@kept.query
def _node(account: UUID, run: UUID, node: UUID) -> QuerySet[Any, tuple[UUID, str]]:
    test = "run__assignment__automated_test"
    rows = ResultNode.objects.filter(pk=node, run=run, run__account=account, run__stage=Stage.SHOWN)
    shown = rows.exclude(**{f"{test}__project__in": visibility.hidden_projects()})
    return shown.values_list(f"{test}__project_id", "name")
