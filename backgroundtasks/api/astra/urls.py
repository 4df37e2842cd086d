"""Where the resources of this dialect are."""

from __future__ import annotations

from django.apps import apps

from backgroundtasks.api.astra import views
from backgroundtasks.api.routing import route

_TASKS = "accounts/<str:account_id>/core/v1/tasks"

urlpatterns = [
    route(_TASKS, views.tasks, "astra-tasks"),
    route(f"{_TASKS}/<str:task_id>", views.task, "astra-task"),
    # The vendor's clients look at further resources after an error. Other apps may have paths
    # below `accounts/`, so it takes the id of an account.
    route("accounts/<guid:account_id>/<path:rest>", views.elsewhere, "astra-elsewhere"),
]

if apps.is_installed("drf_spectacular"):
    from backgroundtasks.api.astra.openapi import SETTINGS, Document
    from backgroundtasks.api.schema_views import schema_routes

    urlpatterns += schema_routes("astra", Document, SETTINGS)
