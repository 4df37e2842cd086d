"""Where the versions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

from backgroundtasks.api.routing import route
from backgroundtasks.api.sailpoint import views
from backgroundtasks.api.sailpoint.versions import VERSIONS

if TYPE_CHECKING:
    from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

for version in VERSIONS:
    name = f"sailpoint-{version.name}"
    urlpatterns.append(route(version.path, views.collection(version), name))
    if version.pending:
        # Before the id: it has the same form.
        path = f"{version.path}/pending-tasks"
        urlpatterns.append(route(path, views.pending(version), f"{name}-pending"))
    urlpatterns.append(route(f"{version.path}/<str:task_id>", views.item(version), f"{name}-one"))

if apps.is_installed("drf_spectacular"):
    from backgroundtasks.api.sailpoint.openapi import SETTINGS, Document
    from backgroundtasks.api.schema_views import schema_routes

    urlpatterns += schema_routes("sailpoint", Document, SETTINGS)
