"""The resources of attachments, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Final

from backgroundtasks.api import kit
from tickets.api.attachments import views
from tickets.api.describing import TEXT_OR_NULL

_MEMBERS: Final = {
    "Id": kit.GUID,
    "Name": {**kit.TEXT, "description": "The same as `FileName`."},
    "FileName": {**kit.TEXT, "description": "Without folders and control characters."},
    "ContentType": kit.TEXT,
    "CreatedAt": kit.MOMENT,
    "CreatedById": TEXT_OR_NULL,
    "CreatedBy": TEXT_OR_NULL,
    "Size": {**kit.COUNT, "description": "In bytes."},
    "Self": kit.URL,
    "Content": {**kit.URL, "description": "Where the file itself is."},
}
_FILES: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "Any part name; further parts are further attachments.",
        }
    },
    "required": ["file"],
}

for _name, _many, _one, _owner in (
    (
        "StepResultAttachment",
        views.StepResultAttachments,
        views.StepResultAttachmentById,
        ("StepResultId",),
    ),
    (
        "AgileRunStepAttachment",
        views.AgileStepAttachments,
        views.AgileStepAttachmentById,
        ("RunId", "StepId"),
    ),
    (
        "AutomatedTestRunAttachment",
        views.RunAttachments,
        views.RunAttachmentById,
        ("RunId",),
    ),
    (
        "AutomatedTestRunNodeAttachment",
        views.NodeAttachments,
        views.NodeAttachmentById,
        ("NodeId", "RunId"),
    ),
    (
        "IncidentAttachment",
        views.IncidentAttachments,
        views.IncidentAttachmentById,
        ("IncidentId",),
    ),
):
    kit.component(_name, kit.entity({**dict.fromkeys(_owner, kit.GUID), **_MEMBERS}))
    _made = kit.array_of(kit.ref(_name))
    kit.describe(
        _many,
        "get",
        {200: _made if _many.plain else kit.page_of(_name)},
        query=() if _many.plain else kit.ODATA,
    )
    kit.describe(
        _many,
        "post",
        {201: _made},
        body=_FILES,
        kinds=("multipart/form-data", "multipart/mixed"),
        refusals=(409, 500),
    )
    kit.describe(_one, "get", {200: kit.ref(_name)})
    kit.describe(_one, "delete", {200: None})

kit.describe(
    views.AttachmentContents,
    "get",
    {200: {"type": "string", "format": "binary"}},
    answer_kind="*/*",
)
