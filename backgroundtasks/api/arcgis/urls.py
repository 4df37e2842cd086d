"""Where the resources of this dialect are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps

from backgroundtasks import conf
from backgroundtasks.api.arcgis import outside, sharing, sign_in
from backgroundtasks.api.arcgis.resources import NOTHING, RESOURCES
from backgroundtasks.api.arcgis.views import OperationView, ResourceView
from backgroundtasks.api.routing import route

if TYPE_CHECKING:
    from django.urls import URLPattern

    from backgroundtasks.api.arcgis.resource import Resource


def patterns(context: str) -> list[URLPattern]:
    """Return the routes of this dialect below the first part of their paths."""
    return [*_administrator(f"{context}/admin"), *_sharing(f"{context}/sharing/rest")]


def _administrator(root: str) -> list[URLPattern]:
    found = [one for resource in RESOURCES for one in _of(root, resource)]
    return [
        route(f"{root}/login", sign_in.SignIn(), "arcgis-sign-in"),
        route(f"{root}/logout", sign_in.SignOut(), "arcgis-sign-out"),
        # Fixed names go before ids in their place: `createTask` is no task.
        *sorted(found, key=lambda one: [part[:1] == "<" for part in str(one.pattern).split("/")]),
        route(f"{root}/<path:rest>", ResourceView(NOTHING, RESOURCES), "arcgis-elsewhere"),
    ]


def _of(root: str, resource: Resource) -> list[URLPattern]:
    """Return the routes of a resource and of its operations."""
    base = f"{root}/{resource.path}".rstrip("/")
    parts = [part.strip("<>").rpartition(":")[2] for part in resource.path.split("/") if part]
    name = "-".join(["arcgis-admin", *parts])
    return [
        route(base, ResourceView(resource, RESOURCES), name),
        *(
            route(
                f"{base}/{operation.name}",
                OperationView(resource, operation, RESOURCES),
                f"{name}-{operation.name}",
            )
            for operation in resource.operations
        ),
    ]


def _sharing(root: str) -> list[URLPattern]:
    return [
        route(root, sharing.Sharing(sharing.root), "arcgis-sharing"),
        route(f"{root}/generateToken", sign_in.GenerateToken(), "arcgis-generate-token"),
        route(f"{root}/info", sharing.Sharing(sharing.info), "arcgis-info"),
        route(f"{root}/portals/self", sharing.Sharing(sharing.portal), "arcgis-portal"),
        route(f"{root}/community/self", sharing.Sharing(sharing.self), "arcgis-self"),
        route(
            f"{root}/community/users/<str:username>", sharing.Sharing(sharing.user), "arcgis-user"
        ),
        route(f"{root}/<path:rest>", sharing.Sharing(sharing.nothing), "arcgis-sharing-elsewhere"),
    ]


urlpatterns = patterns(conf.ARCGIS_CONTEXT)
outside.register()

if apps.is_installed("drf_spectacular"):
    from backgroundtasks.api.arcgis.openapi import SETTINGS, Document
    from backgroundtasks.api.schema_views import schema_routes

    urlpatterns += schema_routes("arcgis", Document, SETTINGS)
