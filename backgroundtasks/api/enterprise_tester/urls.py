"""Where the resources of the core are."""

from __future__ import annotations

from django.apps import apps

from backgroundtasks.api.enterprise_tester import schedules, views
from backgroundtasks.api.enterprise_tester.roots import register_root
from backgroundtasks.api.routing import route

_RUN = "api/backgroundtask/<str:public_id>"
_SCHEDULE = "api/backgroundtaskschedule/<uuid:schedule_id>"

urlpatterns = [
    route("api/backgroundtasks", views.BackgroundTasks, "backgroundtasks"),
    route(_RUN, views.BackgroundTask, "backgroundtask"),
    route(f"{_RUN}/cancel", views.Cancel, "backgroundtask-cancel"),
    route(f"{_RUN}/retry", views.Retry, "backgroundtask-retry"),
    route(f"{_RUN}/pause", views.Pause, "backgroundtask-pause"),
    route(f"{_RUN}/resume", views.Resume, "backgroundtask-resume"),
    route(f"{_RUN}/children", views.Children, "backgroundtask-children"),
    route(f"{_RUN}/messages", views.Messages, "backgroundtask-messages"),
    route(f"{_RUN}/events", views.Events, "backgroundtask-events"),
    route("api/backgroundtasktypes", views.TaskTypes, "backgroundtasktypes"),
    route("api/backgroundtaskschedules", schedules.Schedules, "backgroundtaskschedules"),
    route(_SCHEDULE, schedules.ScheduleById, "backgroundtaskschedule"),
    route(f"{_SCHEDULE}/pause", schedules.PauseSchedule, "backgroundtaskschedule-pause"),
    route(f"{_SCHEDULE}/resume", schedules.ResumeSchedule, "backgroundtaskschedule-resume"),
    route(f"{_SCHEDULE}/run", schedules.RunSchedule, "backgroundtaskschedule-run"),
    route(f"{_SCHEDULE}/runs", schedules.RunsOfSchedule, "backgroundtaskschedule-runs"),
    route("api/systeminfo", views.SystemInfo, "systeminfo"),
    route("api", views.RootResource, "root"),
]

if apps.is_installed("drf_spectacular"):
    from backgroundtasks.api.enterprise_tester.schema_views import urlpatterns as schema

    urlpatterns += schema

register_root(
    "BackgroundTasks",
    "Background Tasks",
    "backgroundtasks",
    ("GET", "POST"),
    description="Long running jobs",
    odata=True,
)
register_root(
    "BackgroundTaskTypes",
    "Background Task Types",
    "backgroundtasktypes",
    ("GET",),
    description="What can be started, and by whom",
)
register_root(
    "BackgroundTaskSchedules",
    "Background Task Schedules",
    "backgroundtaskschedules",
    ("GET", "POST"),
    description="Tasks that run again and again",
    odata=True,
)
register_root(
    "SystemInfo",
    "System Info",
    "systeminfo",
    ("GET",),
    description="Version, addresses and time zone of this installation",
)
