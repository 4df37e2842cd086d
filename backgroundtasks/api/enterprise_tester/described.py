"""The resources of the core, as `openapi` describes them."""

from __future__ import annotations

from backgroundtasks.api.enterprise_tester import openapi as o
from backgroundtasks.api.enterprise_tester import schedules, views
from backgroundtasks.states import State

_RUN = {
    "Complete": o.BOOLEAN,
    "TotalElements": o.COUNT,
    "ProcessedElements": o.COUNT,
    "StartedAt": o.MOMENT,
    "ProgressInPercent": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "A fraction, in spite of its name.",
    },
    "Id": o.TEXT,
    "Message": o.NULLABLE_TEXT,
    "Self": o.URL,
    "QueuedAt": o.MOMENT,
    "State": {"type": "string", "enum": [state.value for state in State]},
}
_END = {
    "Error": {**o.TEXT, "minLength": 1, "description": "Why it did not end well."},
    "FinishedAt": o.MOMENT,
    "Warnings": o.array_of(o.TEXT),
}
_LABELS = {
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 100},
    "maxProperties": 50,
    "description": "Name to value, as they were given when it was started.",
}
_FAMILY = {
    "Labels": _LABELS,
    "ParentId": {**o.TEXT, "description": "Of the task whose handler started this one."},
    "Parent": o.URL,
}
_START = {
    "type": "object",
    "properties": {
        "Type": {
            "type": "string",
            "minLength": 1,
            "description": "In any letter case; `/api/backgroundtasktypes` lists them.",
        },
        "Parameters": {
            "type": ["object", "null"],
            "description": "What the type takes; an unknown one is refused.",
        },
        "Labels": {
            **_LABELS,
            "type": ["object", "null"],
            "description": "Name to value, for people and `$filter`: texts of at most 100 characters.",
        },
        "StreamProgress": {
            "type": ["boolean", "null"],
            "default": False,
            "description": "Answer with an array of progress, held open until the task ends.",
        },
    },
    "required": ["Type"],
    "example": {
        "Type": "Reindex",
        "Parameters": {"Optimize": True},
        "Labels": {"team": "search"},
    },
}
_KNOWN_STATE = o.parameter("If-None-Match", o.TEXT, "An `ETag`.", where="header")

o.component("BackgroundTask", o.entity(_RUN, optional={**_END, **_FAMILY}))
o.component(
    "BackgroundTaskItem",
    o.entity(
        {**_RUN, "Type": o.TEXT, "Title": o.NULLABLE_TEXT, "Owner": o.NULLABLE_TEXT},
        optional={**_END, **_FAMILY},
    ),
)
o.component(
    "BackgroundTaskMessage",
    o.entity(
        {
            "Id": o.COUNT,
            "Level": {"type": "string", "enum": ["info", "warning", "error"]},
            "Key": o.TEXT,
            "Text": o.TEXT,
            "Parameters": o.OBJECT,
            "Attempt": o.COUNT,
            "CreatedAt": o.MOMENT,
        }
    ),
)
o.component(
    "BackgroundTaskType",
    o.entity(
        {
            "Type": o.TEXT,
            "Description": o.TEXT,
            "Parameters": {**o.OBJECT, "description": "JSON Schema."},
            "MayStart": o.BOOLEAN,
            "Reason": o.NULLABLE_TEXT,
            "Idempotent": o.BOOLEAN,
            "Pausable": {**o.BOOLEAN, "description": "Whether its runs can pause while they run."},
            "Queue": o.TEXT,
        }
    ),
)
o.component(
    "BackgroundTaskSchedule",
    o.entity(
        {
            "Id": o.GUID,
            "Type": o.TEXT,
            "Title": o.NULLABLE_TEXT,
            "Owner": o.NULLABLE_TEXT,
            "Parameters": {**o.OBJECT, "description": "Secrets are masked."},
            "Labels": _LABELS,
            "Expression": {**o.TEXT, "description": "Quartz cron, in UTC."},
            "InWords": {**o.NULLABLE_TEXT, "description": "The expression, for people."},
            "StartsAt": o.NULLABLE_MOMENT,
            "EndsAt": o.NULLABLE_MOMENT,
            "MaxRuns": {"type": ["integer", "null"], "minimum": 1},
            "Overlap": {"type": "string", "enum": ["skip", "queue"]},
            "Missed": {"type": "string", "enum": ["once", "skip"]},
            "State": {"type": "string", "enum": ["active", "paused", "completed", "broken"]},
            "Problem": {**o.NULLABLE_TEXT, "description": "Why it is broken."},
            "NextAt": o.NULLABLE_MOMENT,
            "LastAt": {**o.NULLABLE_MOMENT, "description": "The time that was served last."},
            "LastRun": {**o.URL, "type": ["string", "null"]},
            "RunsMade": o.COUNT,
            "Generation": {**o.COUNT, "description": "Rises with edits and with runs."},
            "CreatedAt": o.MOMENT,
            "UpdatedAt": {**o.MOMENT, "description": "Moves with edits only."},
            "Runs": o.URL,
            "Self": o.URL,
        }
    ),
)
o.component(
    "Root",
    o.entity(
        {
            "Title": o.TEXT,
            "Href": o.URL,
            "Rel": o.TEXT,
            "Description": o.TEXT,
            "SupportedHttpMethods": o.array_of(o.TEXT),
            "SupportsOData": o.BOOLEAN,
            "SupportsTQL": o.BOOLEAN,
            "Help": o.TEXT,
        }
    ),
)


def _following(name: str) -> o.Schema:
    """Return a page that names the next one."""
    page = o.page_of(name)
    page["properties"] |= {"NextLink": o.URL, "TotalIsMinimum": o.BOOLEAN}
    return page


o.describe(
    views.BackgroundTasks,
    "get",
    {200: _following("BackgroundTaskItem")},
    query=o.KEYSET_ODATA,
)
o.describe(
    views.BackgroundTasks,
    "post",
    {202: {"anyOf": [o.ref("BackgroundTask"), o.array_of(o.ref("BackgroundTask"))]}},
    body=_START,
    query=(o.IDEMPOTENCY_KEY,),
    refusals=(409, 500),
)
o.describe(
    views.BackgroundTask,
    "get",
    {200: o.ref("BackgroundTask"), 304: None},
    query=(_KNOWN_STATE,),
)
o.describe(views.Cancel, "post", {200: o.ref("BackgroundTask")}, refusals=(409,))
o.describe(
    views.Retry,
    "post",
    {202: o.ref("BackgroundTask")},
    query=(o.IDEMPOTENCY_KEY,),
    refusals=(409, 500),
)
o.describe(views.Pause, "post", {200: o.ref("BackgroundTask")}, refusals=(409,))
o.describe(views.Resume, "post", {200: o.ref("BackgroundTask")}, refusals=(409,))
o.describe(
    views.Children,
    "get",
    {200: _following("BackgroundTaskItem")},
    query=o.KEYSET_ODATA,
)
o.describe(
    views.Messages,
    "get",
    {200: _following("BackgroundTaskMessage")},
    query=o.KEYSET_PAGING,
)
o.describe(
    views.Events,
    "get",
    {
        200: {
            **o.entity({"id": o.TEXT, "event": o.TEXT, "data": o.TEXT}),
            "description": "One event; its data is a `BackgroundTask`.",
        },
        204: None,
    },
    query=(o.parameter("Last-Event-ID", o.TEXT, "The last event seen.", where="header"),),
    answer_kind="text/event-stream",
)
o.describe(
    views.TaskTypes,
    "get",
    {200: o.entity({"Items": o.array_of(o.ref("BackgroundTaskType")), "Self": o.URL})},
)
_SCHEDULE = o.ref("BackgroundTaskSchedule")
o.describe(schedules.Schedules, "get", {200: o.page_of("BackgroundTaskSchedule")}, query=o.ODATA)
o.describe(
    schedules.Schedules,
    "post",
    {201: _SCHEDULE},
    body=schedules.ScheduleWrite,
    refusals=(500,),
)
o.describe(schedules.ScheduleById, "get", {200: _SCHEDULE})
o.describe(
    schedules.ScheduleById, "put", {200: _SCHEDULE}, body=o.partial(schedules.ScheduleChange)
)
o.describe(schedules.ScheduleById, "delete", {204: None}, refusals=(409,))
o.describe(schedules.PauseSchedule, "post", {200: _SCHEDULE}, refusals=(409,))
o.describe(schedules.ResumeSchedule, "post", {200: _SCHEDULE})
o.describe(schedules.RunSchedule, "post", {202: o.ref("BackgroundTask")}, refusals=(409, 500))
o.describe(
    schedules.RunsOfSchedule,
    "get",
    {200: _following("BackgroundTaskItem")},
    query=o.KEYSET_ODATA,
)
o.describe(
    views.SystemInfo,
    "get",
    {
        200: o.entity(
            {
                "Version": o.TEXT,
                "RootUrl": o.URL,
                "StaticContentRootUrl": o.URL,
                "PackagePathSeparator": o.TEXT,
                "TimeZoneId": o.TEXT,
                "UtcOffset": o.TEXT,
                "Modules": o.OBJECT,
                "Self": o.URL,
            }
        )
    },
)
o.describe(
    views.RootResource,
    "get",
    {200: o.entity({"Links": o.array_of(o.ref("Root")), "Self": o.URL})},
)
