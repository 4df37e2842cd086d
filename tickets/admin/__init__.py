"""Operators' pages of test results: one module per model."""

from tickets.admin.assignments import AssignmentAdmin
from tickets.admin.attachments import AttachmentAdmin
from tickets.admin.automated_tests import AutomatedTestAdmin
from tickets.admin.builtin_tickets import BuiltinTicketAdmin
from tickets.admin.custom_fields import CustomFieldAdmin
from tickets.admin.execution_packages import ExecutionPackageAdmin
from tickets.admin.external_systems import ExternalSystemAdmin, ExternalSystemLinkAdmin
from tickets.admin.external_tickets import ExternalTicketAdmin
from tickets.admin.incidents import IncidentAdmin
from tickets.admin.nodes import NodeAdmin
from tickets.admin.picklist_items import PicklistItemAdmin
from tickets.admin.projects import ProjectAdmin
from tickets.admin.runs import RunAdmin

__all__ = [
    "AssignmentAdmin",
    "AttachmentAdmin",
    "AutomatedTestAdmin",
    "BuiltinTicketAdmin",
    "CustomFieldAdmin",
    "ExecutionPackageAdmin",
    "ExternalSystemAdmin",
    "ExternalSystemLinkAdmin",
    "ExternalTicketAdmin",
    "IncidentAdmin",
    "NodeAdmin",
    "PicklistItemAdmin",
    "ProjectAdmin",
    "RunAdmin",
]
