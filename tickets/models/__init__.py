"""What the app stores: one file per model."""

from tickets.models.agile_run import AgileRun
from tickets.models.agile_run_step import AgileRunStep
from tickets.models.attachment import Attachment
from tickets.models.automated_test import AutomatedTest
from tickets.models.automated_test_assignment import AutomatedTestAssignment
from tickets.models.automated_test_run import AutomatedTestRun, Stage
from tickets.models.builtin_ticket import (
    BuiltinBacklink,
    BuiltinComment,
    BuiltinProject,
    BuiltinStatus,
    BuiltinTicket,
)
from tickets.models.custom_field import CustomField, FieldKind, FieldOf
from tickets.models.execution_package import ExecutionPackage
from tickets.models.external_system import ExternalSystem
from tickets.models.external_system_link import ExternalSystemLink
from tickets.models.external_ticket import Backlink, ExternalTicket
from tickets.models.incident import Incident, IncidentComment
from tickets.models.incident_link import (
    AgileRunStepIncident,
    IncidentLink,
    ResultNodeIncident,
    StepResultIncident,
)
from tickets.models.incident_pick import IncidentPick, PickedAs
from tickets.models.outcome import Outcome
from tickets.models.picklist_item import Picklist, PicklistItem
from tickets.models.project import Project
from tickets.models.result_node import ResultNode
from tickets.models.script import Script
from tickets.models.script_assignment import ScriptAssignment
from tickets.models.script_run import ScriptRun
from tickets.models.step_result import StepResult
from tickets.models.ticket_writer import TicketWriter

__all__ = [
    "AgileRun",
    "AgileRunStep",
    "AgileRunStepIncident",
    "Attachment",
    "AutomatedTest",
    "AutomatedTestAssignment",
    "AutomatedTestRun",
    "Backlink",
    "BuiltinBacklink",
    "BuiltinComment",
    "BuiltinProject",
    "BuiltinStatus",
    "BuiltinTicket",
    "CustomField",
    "ExecutionPackage",
    "ExternalSystem",
    "ExternalSystemLink",
    "ExternalTicket",
    "FieldKind",
    "FieldOf",
    "Incident",
    "IncidentComment",
    "IncidentLink",
    "IncidentPick",
    "Outcome",
    "PickedAs",
    "Picklist",
    "PicklistItem",
    "Project",
    "ResultNode",
    "ResultNodeIncident",
    "Script",
    "ScriptAssignment",
    "ScriptRun",
    "Stage",
    "StepResult",
    "StepResultIncident",
    "TicketWriter",
]
