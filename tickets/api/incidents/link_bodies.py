"""
The links between incidents and what they were found by, as JSON.

Source: contract `enterprise_tester.md`, sections 3.3 to 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets.api import representations

if TYPE_CHECKING:
    from django.http import HttpRequest

    from tickets.models import AgileRunStepIncident, ResultNodeIncident, StepResultIncident

STEP_RESULT_EXPANDS: Final = ("Incident", "StepResult")
AGILE_STEP_EXPANDS: Final = ("Incident", "Run")
NODE_EXPANDS: Final = ("Run", "Node", "Incident")


def step_result(request: HttpRequest, row: StepResultIncident, **expanded: Any) -> dict[str, Any]:
    """Return the link of a script's step."""
    ids = {"step_result_id": row.step_result_id, "incident_id": row.incident_id}
    return {
        "StepResultId": row.step_result_id,
        "IncidentId": row.incident_id,
        **representations.tail(STEP_RESULT_EXPANDS, expanded),
        "Self": kit.link(request, "stepresult-incident", **ids),
        "Links": [_incident(request, row)],
    }


def agile_step(request: HttpRequest, row: AgileRunStepIncident, **expanded: Any) -> dict[str, Any]:
    """Return the link of an agile run's step; its `step` is joined."""
    ids = {
        "agile_run_id": row.step.run_id,
        "step_id": row.step_id,
        "incident_id": row.incident_id,
    }
    return {
        "RunId": row.step.run_id,
        "StepId": row.step_id,
        "IncidentId": row.incident_id,
        **representations.tail(AGILE_STEP_EXPANDS, expanded),
        "Self": kit.link(request, "agilerun-step-incident", **ids),
        "Links": [_incident(request, row)],
    }


def node(request: HttpRequest, row: ResultNodeIncident, **expanded: Any) -> dict[str, Any]:
    """Return the link of a result node."""
    ids = {"run_id": row.run_id, "node_id": row.node_id, "incident_id": row.incident_id}
    return {
        "RunId": row.run_id,
        "NodeId": row.node_id,
        "IncidentId": row.incident_id,
        **representations.tail(NODE_EXPANDS, expanded),
        "Self": kit.link(request, "automatedtestrun-node-incident", **ids),
        "Links": [_incident(request, row)],
    }


def _incident(request: HttpRequest, row: Any) -> dict[str, str]:
    return representations.rel("Incident", kit.by_id(request, "incident", row.incident_id))
