"""
Attachments as JSON.

Source: the vendor's help pages of the resources, and the models of its Swagger description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backgroundtasks.api import kit
from tickets.api import representations

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from tickets.models import Attachment


def body(request: HttpRequest, row: Attachment, run_id: UUID | None = None) -> dict[str, Any]:
    """
    Return an attachment.

    Args:
        request: Whose host its URLs name.
        row: With its `created_by`.
        run_id: Of the agile run, for an attachment of a step of one.
    """
    owner, route, ids = _owner(row, run_id)
    return {
        **owner,
        "Id": row.pk,
        "Name": row.name,
        "FileName": row.name,
        "ContentType": row.content_type,
        "CreatedAt": row.created_at,
        "CreatedById": representations.user_id(row.created_by),
        "CreatedBy": representations.login(row.created_by),
        "Size": row.size,
        "Self": kit.link(request, route, **ids, attachment_id=row.pk),
        "Content": kit.by_id(request, "attachment-contents", row.pk),
    }


def _owner(
    row: Attachment, run_id: UUID | None
) -> tuple[dict[str, UUID | None], str, dict[str, UUID | None]]:
    """Return the members that name the owner, the route of its attachments, and the ids in that."""
    if row.step_result_id is not None:
        return (
            {"StepResultId": row.step_result_id},
            "stepresult-attachment",
            {"step_result_id": row.step_result_id},
        )
    if row.incident_id is not None:
        return (
            {"IncidentId": row.incident_id},
            "incident-attachment",
            {"incident_id": row.incident_id},
        )
    if row.agile_step_id is not None:
        return (
            {"RunId": run_id, "StepId": row.agile_step_id},
            "agilerun-step-attachment",
            {"agile_run_id": run_id, "step_id": row.agile_step_id},
        )
    if row.node_id is not None:
        return (
            {"NodeId": row.node_id, "RunId": row.run_id},
            "automatedtestrun-node-attachment",
            {"run_id": row.run_id, "node_id": row.node_id},
        )
    return {"RunId": row.run_id}, "automatedtestrun-attachment", {"run_id": row.run_id}
