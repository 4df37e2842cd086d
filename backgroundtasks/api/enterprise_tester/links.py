"""Absolute URLs of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import get_script_prefix, reverse

from backgroundtasks.api.origins import origin

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

#: Paths of routes without their last part, by name and mount.
_folders: dict[tuple[str, str, str], str] = {}


def link(request: HttpRequest | Request, name: str, **parts: Any) -> str:
    """
    Return the absolute URL of a route: `link(request, "project", project_id=project.pk)`.

    Raises:
        NoReverseMatch: there is no such route, or it takes other parts.
    """
    return origin(request) + reverse(name, kwargs=parts)


def by_id(request: HttpRequest | Request, name: str, identity: object) -> str:
    """Return the absolute URL of a route that takes one id, whatever it calls it."""
    return origin(request) + reverse(name, args=(identity,))


def absolute(request: HttpRequest | Request, url: str) -> str:
    """Return a URL as it is, and a path of this server as a URL."""
    return origin(request) + url if url.startswith("/") else url


def below(request: HttpRequest | Request, name: str) -> str:
    """Return what stands before the id in the URLs of a route that ends with one."""
    key = (name, get_script_prefix(), settings.ROOT_URLCONF)
    folder = _folders.get(key)
    if folder is None:
        folder = _folders[key] = reverse(name, args=("x",))[:-1]
    return origin(request) + folder
