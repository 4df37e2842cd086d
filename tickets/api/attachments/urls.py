"""Where the resources of attachments are."""

from __future__ import annotations

from backgroundtasks.api import kit
from tickets.api.attachments import views

_STEP = "api/stepresult/<guid:step_result_id>"
_AGILE_STEP = "api/agilerun/<guid:agile_run_id>/step/<guid:step_id>"
_RUN = "api/automatedtestrun/<guid:run_id>"
_NODE = f"{_RUN}/node/<guid:node_id>"
_INCIDENT = "api/incident/<guid:incident_id>"
_ONE = "attachment/<guid:attachment_id>"

urlpatterns = [
    kit.route(f"api/{_ONE}/contents", views.AttachmentContents, "attachment-contents"),
    kit.route(f"{_STEP}/attachments", views.StepResultAttachments, "stepresult-attachments"),
    kit.route(f"{_STEP}/{_ONE}", views.StepResultAttachmentById, "stepresult-attachment"),
    kit.route(
        f"{_AGILE_STEP}/attachments", views.AgileStepAttachments, "agilerun-step-attachments"
    ),
    kit.route(f"{_AGILE_STEP}/{_ONE}", views.AgileStepAttachmentById, "agilerun-step-attachment"),
    kit.route(f"{_RUN}/attachments", views.RunAttachments, "automatedtestrun-attachments"),
    kit.route(f"{_RUN}/{_ONE}", views.RunAttachmentById, "automatedtestrun-attachment"),
    kit.route(f"{_NODE}/attachments", views.NodeAttachments, "automatedtestrun-node-attachments"),
    kit.route(f"{_NODE}/{_ONE}", views.NodeAttachmentById, "automatedtestrun-node-attachment"),
    kit.route(f"{_INCIDENT}/attachments", views.IncidentAttachments, "incident-attachments"),
    kit.route(f"{_INCIDENT}/{_ONE}", views.IncidentAttachmentById, "incident-attachment"),
]
