"""
Where an incident can be found: a step of a script's run, of an agile run, a node of a report.

All three are linked with incidents in one way, by hand and by tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

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
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet


P = ParamSpec("P")
Row = TypeVar("Row")


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
        [linked] = link_each([NewLink(self, incident_id, account_id, linked_by)])
        if linked is None:
            raise PlaceGone
        made, created = linked
        return made if created else self.links.get(incident=incident_id), created

    def unlink(self, incident_id: UUID) -> bool:
        """Remove a link; return whether there was one. The incident stays."""
        with transaction.atomic():
            removed, _ = self.links.filter(incident=incident_id).delete()
            if removed:
                documents.index(Incident, [incident_id])
        return bool(removed)

    @property
    def related(self) -> list[tuple[str, UUID]]:
        """What the search index says an incident of this place is related to."""
        if self.model is ResultNodeIncident:
            return [("AutomatedTestRun", self.run_id), ("ResultNode", self.target_id)]
        name = "AgileRun" if self.model is AgileRunStepIncident else "ScriptRun"
        return [(name, self.run_id)]

    @property
    def held_id(self) -> UUID:
        """The id of what keeps the place from being removed: nodes go after their run was discarded."""
        return self.run_id if self.model is ResultNodeIncident else self.target_id


@dataclass(frozen=True, slots=True)
class NewLink:
    """An incident that is to be linked with a place; it is of the place's project, and held."""

    place: Place
    incident_id: UUID
    account_id: UUID
    #: The background run that does it.
    linked_by: UUID | None = None

    @property
    def row(self) -> IncidentLink:
        """What is stored."""
        model = self.place.model
        values = {f"{model.found_by}_id": self.place.target_id, "incident_id": self.incident_id}
        if model is ResultNodeIncident:
            values["run_id"] = self.place.run_id
        return model(**values, linked_by=self.linked_by)


def link_each(wanted: Sequence[NewLink]) -> list[tuple[IncidentLink, bool] | None]:
    """
    Link incidents with places of one kind, unless they are; the search index follows.

    Within a transaction. Places are held in one order, so that no two who do this wait for each other.

    Returns:
        Of each the link and whether it was stored; None where the place was removed meanwhile.
    """
    if not wanted:
        return []
    hold = _HOLD[wanted[0].place.model]
    held_ids = sorted({one.place.held_id for one in wanted})
    held = {pk for rows in hold.each([(pk,) for pk in held_ids]) for pk in rows}
    there = [one for one in wanted if one.place.held_id in held]
    rows = [one.row for one in there]
    stored = kept.insert_each_once(rows)
    documents.relate(
        Incident,
        [
            (one.account_id, one.incident_id, *other)
            for one, is_new in zip(there, stored, strict=True)
            if is_new
            for other in one.place.related
        ],
    )
    linked = iter(zip(rows, stored, strict=True))
    return [next(linked) if one.place.held_id in held else None for one in wanted]


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


class Finder(Generic[P, Row]):
    """Finds places of one kind, by account and ids."""

    def __init__(
        self, rows: kept.Query[P, Row], place: Callable[[tuple[Any, ...], Row], Place]
    ) -> None:
        self._rows, self._place = rows, place

    def __call__(self, *ids: P.args, **named: P.kwargs) -> Place | None:
        """Return the place of an account and ids; None for one that the account has not."""
        assert not named  # noqa: S101 - the ids have an order
        [place] = self.each([ids])
        return place

    def each(self, asked: Sequence[tuple[Any, ...]]) -> list[Place | None]:
        """Return several, asked for together."""
        found = zip(asked, self._rows.each(asked), strict=True)
        return [self._place(ids, rows[0]) if rows else None for ids, rows in found]


@kept.query
def _step_results(account: UUID, step: UUID) -> QuerySet[Any, tuple[UUID, UUID, int, str]]:
    script = "run__assignment__script"
    rows = StepResult.objects.filter(pk=step, run__account=account)
    shown = rows.exclude(**{f"{script}__project__in": visibility.hidden_projects()})
    return shown.values_list("run_id", f"{script}__project_id", "position", f"{script}__name")


def _step_result(ids: tuple[Any, ...], row: tuple[UUID, UUID, int, str]) -> Place:
    run_id, project_id, position, name = row
    title = f"Step {position + 1} of {name}"
    return Place("step result", StepResultIncident, ids[-1], run_id, project_id, title)


@kept.query
def _agile_steps(account: UUID, run: UUID, step: UUID) -> QuerySet[Any, tuple[UUID, int, str]]:
    rows = AgileRunStep.objects.filter(pk=step, run=run, run__account=account)
    shown = rows.exclude(run__project__in=visibility.hidden_projects())
    return shown.values_list("run__project_id", "position", "run__name")


def _agile_step(ids: tuple[Any, ...], row: tuple[UUID, int, str]) -> Place:
    _, run_id, step_id = ids
    project_id, position, name = row
    title = f"Step {position + 1} of {name}"
    return Place("step", AgileRunStepIncident, step_id, run_id, project_id, title)


@kept.query
def _nodes(account: UUID, run: UUID, node: UUID) -> QuerySet[Any, tuple[UUID, str]]:
    test = "run__assignment__automated_test"
    rows = ResultNode.objects.filter(pk=node, run=run, run__account=account, run__stage=Stage.SHOWN)
    shown = rows.exclude(**{f"{test}__project__in": visibility.hidden_projects()})
    return shown.values_list(f"{test}__project_id", "name")


def _node(ids: tuple[Any, ...], row: tuple[UUID, str]) -> Place:
    _, run_id, node_id = ids
    project_id, name = row
    return Place("result node", ResultNodeIncident, node_id, run_id, project_id, name)


#: By account and id of a step of a script's run.
of_step_result: Final = Finder(_step_results, _step_result)
#: By account, agile run, and step.
of_agile_step: Final = Finder(_agile_steps, _agile_step)
#: By account, run, and node; of runs that are shown.
of_node: Final = Finder(_nodes, _node)
