"""Where the resources of incidents are."""

from __future__ import annotations

from backgroundtasks.api import kit
from tickets.api.incidents.found_by import (
    AgileStepIncidentById,
    AgileStepIncidents,
    NodeIncidentById,
    NodeIncidents,
    StepResultIncidentById,
    StepResultIncidents,
)
from tickets.api.incidents.incidents import IncidentById, IncidentComments, Incidents

_STEP = "api/stepresult/<guid:step_result_id>"
_AGILE_STEP = "api/agilerun/<guid:agile_run_id>/step/<guid:step_id>"
_NODE = "api/automatedtestrun/<guid:run_id>/node/<guid:node_id>"
_ONE = "incident/<guid:incident_id>"

urlpatterns = [
    kit.route("api/incidents", Incidents, "incidents"),
    kit.route(f"api/{_ONE}", IncidentById, "incident"),
    kit.route(f"api/{_ONE}/comments", IncidentComments, "incident-comments"),
    kit.route(f"{_STEP}/incidents", StepResultIncidents, "stepresult-incidents"),
    kit.route(f"{_STEP}/{_ONE}", StepResultIncidentById, "stepresult-incident"),
    kit.route(f"{_AGILE_STEP}/incidents", AgileStepIncidents, "agilerun-step-incidents"),
    kit.route(f"{_AGILE_STEP}/{_ONE}", AgileStepIncidentById, "agilerun-step-incident"),
    kit.route(f"{_NODE}/incidents", NodeIncidents, "automatedtestrun-node-incidents"),
    kit.route(f"{_NODE}/{_ONE}", NodeIncidentById, "automatedtestrun-node-incident"),
]

kit.register_root(
    "Incidents",
    "Incidents",
    "incidents",
    ("GET", "POST"),
    description="What is wrong with what is tested",
    odata=True,
    tql=True,
)
