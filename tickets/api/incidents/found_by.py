"""
The incidents of steps and nodes, linked by hand.

    /api/stepresult/{id}/incidents                      …/incident/{incidentId}
    /api/agilerun/{id}/step/{id}/incidents              …/incident/{incidentId}
    /api/automatedtestrun/{id}/node/{id}/incidents      …/incident/{incidentId}
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from rest_framework import serializers

from backgroundtasks.api import kit
from tickets import incidents, places
from tickets.api import collection, expanding, lookup, representations
from tickets.api.incidents import bodies, link_bodies
from tickets.api.incidents.serializers import LinkedIncident
from tickets.api.manual import bodies as manual
from tickets.models import AgileRunStepIncident, ResultNode, ResultNodeIncident, StepResultIncident

if TYPE_CHECKING:
    from rest_framework.request import Request

    from tickets.places import Place

_Rows = list[dict[str, Any]]


def _step_results(request: Request, rows: Sequence[StepResultIncident]) -> _Rows:
    expands = kit.expansions(request, link_bodies.STEP_RESULT_EXPANDS)
    found = _incidents(request, rows, expands)
    if "StepResult" in expands:
        found["StepResult"] = expanding.one(
            lookup.step_results(lookup.actor(request)),
            {row.pk: row.step_result_id for row in rows},
            lambda row: manual.step_result(request, row),
        )
    return [link_bodies.step_result(request, row, **expanding.of_row(row, found)) for row in rows]


def _agile_steps(request: Request, rows: Sequence[AgileRunStepIncident]) -> _Rows:
    expands = kit.expansions(request, link_bodies.AGILE_STEP_EXPANDS)
    found = _incidents(request, rows, expands)
    if "Run" in expands:
        found["Run"] = expanding.one(
            lookup.agile_runs(lookup.actor(request)),
            {row.pk: row.step.run_id for row in rows},
            lambda row: manual.agile_run(request, row),
        )
    return [link_bodies.agile_step(request, row, **expanding.of_row(row, found)) for row in rows]


def _nodes(request: Request, rows: Sequence[ResultNodeIncident]) -> _Rows:
    expands = kit.expansions(request, link_bodies.NODE_EXPANDS)
    found = _incidents(request, rows, expands)
    if "Run" in expands:
        found["Run"] = expanding.one(
            lookup.runs(lookup.actor(request)),
            {row.pk: row.run_id for row in rows},
            lambda row: representations.run(request, row),
        )
    if "Node" in expands:
        found["Node"] = expanding.one(
            lookup.marked(ResultNode.objects.all()),
            {row.pk: row.node_id for row in rows},
            lambda row: representations.node(request, row, frozenset()),
        )
    return [link_bodies.node(request, row, **expanding.of_row(row, found)) for row in rows]


def _incidents(
    request: Request, rows: Sequence[Any], expands: frozenset[str]
) -> dict[str, expanding.Found]:
    if "Incident" not in expands:
        return {}
    return {
        "Incident": expanding.one(
            lookup.incidents(lookup.actor(request)),
            {row.pk: row.incident_id for row in rows},
            lambda row: bodies.incident(request, row),
        )
    }


class _Links(kit.ResourceView):
    """What the resources of all three have."""

    def represent(self, request: Request, rows: Sequence[Any]) -> _Rows:
        """Make the items of a page at once."""
        raise NotImplementedError

    def _links(self, place: Place) -> Any:
        links = place.links
        return links.select_related("step") if place.model is AgileRunStepIncident else links

    def _list(self, request: Request, place: Place) -> kit.Response:
        return collection.page(
            request,
            self._links(place),
            partial(self.represent, request),
            {"IncidentId": "incident"},
            order=("created_at",),
        )

    def _add(self, request: Request, place: Place) -> kit.Response:
        given = self.read(LinkedIncident)
        incident = lookup.require(
            lookup.incidents(self.actor).filter(project=place.project_id),
            given["IncidentId"],
            "incident",
        )
        try:
            with transaction.atomic():
                incidents.hold(incident.pk)
                link, created = place.link(incident.pk, incident.account_id)
        except (incidents.IncidentGone, places.PlaceGone):
            raise kit.NotFound("What should be linked was removed meanwhile.") from None
        return self._answer(request, place, link.pk, 201 if created else 200)

    def _show(self, request: Request, place: Place, incident_id: UUID) -> kit.Response:
        link = place.links.filter(incident=incident_id).first()
        if link is None:
            raise _unlinked(place, incident_id)
        return self._answer(request, place, link.pk, 200)

    def _remove(self, place: Place, incident_id: UUID) -> kit.Response:
        if not place.unlink(incident_id):
            raise _unlinked(place, incident_id)
        return kit.Response(status=200)

    def _answer(self, request: Request, place: Place, link_id: UUID, status: int) -> kit.Response:
        [body] = self.represent(request, list(self._links(place).filter(pk=link_id)))
        headers = {"Location": body["Self"]} if status == 201 else None  # noqa: PLR2004
        return kit.Response(body, status, headers=headers)


class _OfStepResult(_Links):
    def represent(self, request: Request, rows: Sequence[Any]) -> _Rows:
        return _step_results(request, rows)

    def _place(self, step_result_id: UUID) -> Place:
        place = places.of_step_result(self.actor.account.pk, step_result_id)
        return _found(place, "step result", step_result_id)


class StepResultIncidents(_OfStepResult):
    """The incidents of a script's step."""

    def get(self, request: Request, step_result_id: UUID) -> kit.Response:
        """Return a page of links."""
        return self._list(request, self._place(step_result_id))

    def post(self, request: Request, step_result_id: UUID) -> kit.Response:
        """Link an incident of the project with the step; 200 when it is linked already."""
        return self._add(request, self._place(step_result_id))


class StepResultIncidentById(_OfStepResult):
    """One link of a script's step."""

    def get(self, request: Request, step_result_id: UUID, incident_id: UUID) -> kit.Response:
        """Return the link."""
        return self._show(request, self._place(step_result_id), incident_id)

    def delete(self, request: Request, step_result_id: UUID, incident_id: UUID) -> kit.Response:
        """Remove the link; the incident stays."""
        return self._remove(self._place(step_result_id), incident_id)


class _OfAgileStep(_Links):
    def represent(self, request: Request, rows: Sequence[Any]) -> _Rows:
        return _agile_steps(request, rows)

    def _place(self, agile_run_id: UUID, step_id: UUID) -> Place:
        place = places.of_agile_step(self.actor.account.pk, agile_run_id, step_id)
        return _found(place, "step", step_id)


class AgileStepIncidents(_OfAgileStep):
    """The incidents of an agile run's step."""

    def get(self, request: Request, agile_run_id: UUID, step_id: UUID) -> kit.Response:
        """Return a page of links."""
        return self._list(request, self._place(agile_run_id, step_id))

    def post(self, request: Request, agile_run_id: UUID, step_id: UUID) -> kit.Response:
        """Link an incident of the project with the step; 200 when it is linked already."""
        return self._add(request, self._place(agile_run_id, step_id))


class AgileStepIncidentById(_OfAgileStep):
    """One link of an agile run's step."""

    def get(
        self, request: Request, agile_run_id: UUID, step_id: UUID, incident_id: UUID
    ) -> kit.Response:
        """Return the link."""
        return self._show(request, self._place(agile_run_id, step_id), incident_id)

    def delete(
        self, request: Request, agile_run_id: UUID, step_id: UUID, incident_id: UUID
    ) -> kit.Response:
        """Remove the link; the incident stays."""
        return self._remove(self._place(agile_run_id, step_id), incident_id)


class _OfNode(_Links):
    def represent(self, request: Request, rows: Sequence[Any]) -> _Rows:
        return _nodes(request, rows)

    def _place(self, run_id: UUID, node_id: UUID) -> Place:
        place = places.of_node(self.actor.account.pk, run_id, node_id)
        return _found(place, "result node", node_id)


class NodeIncidents(_OfNode):
    """The incidents of a result node."""

    def get(self, request: Request, run_id: UUID, node_id: UUID) -> kit.Response:
        """Return a page of links."""
        return self._list(request, self._place(run_id, node_id))

    def post(self, request: Request, run_id: UUID, node_id: UUID) -> kit.Response:
        """Link an incident of the project with the node; 200 when it is linked already."""
        place = self._place(run_id, node_id)
        try:
            return self._add(request, place)
        except (kit.Refused, serializers.ValidationError):
            # The vendor answers 400 here, and 403 for steps.
            raise kit.BadRequest("IncidentId: It names no incident of the project.") from None


class NodeIncidentById(_OfNode):
    """One link of a result node."""

    def get(self, request: Request, run_id: UUID, node_id: UUID, incident_id: UUID) -> kit.Response:
        """Return the link."""
        return self._show(request, self._place(run_id, node_id), incident_id)

    def delete(
        self, request: Request, run_id: UUID, node_id: UUID, incident_id: UUID
    ) -> kit.Response:
        """Remove the link; the incident stays."""
        return self._remove(self._place(run_id, node_id), incident_id)


def _found(place: Place | None, word: str, identity: UUID) -> Place:
    if place is None:
        raise kit.NotFound(f"The {word} {identity} does not exist.")
    return place


def _unlinked(place: Place, incident_id: UUID) -> kit.NotFound:
    return kit.NotFound(f"The incident {incident_id} is not linked with the {place.word}.")
