"""
Paths as the vendors' clients write them: in any letter case, with or without a slash at the end.

    urlpatterns = [route("api/project/<guid:project_id>", ProjectView, "project")]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.urls import URLPattern, register_converter
from django.urls.resolvers import RoutePattern

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from django.views import View

_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class GuidConverter:
    """A GUID with dashes in any letter case; links show it in lower case."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def to_python(self, value: str) -> UUID:
        """Return the id."""
        return UUID(value)

    def to_url(self, value: UUID | str) -> str:
        """Return the id in lower case."""
        return str(value).lower()


register_converter(GuidConverter, "guid")


class _AnyCaseRoute(RoutePattern):
    """A route as for `path()`, matched in any letter case and with an optional last slash."""

    @cached_property
    def regex(self) -> re.Pattern[str]:  # type: ignore[override]
        """Return the whole route as an expression; `reverse()` reads it too."""
        parts: list[str] = []
        end = 0
        route = str(self)
        for found in _PARAMETER.finditer(route):
            name = found[1]
            parts += [re.escape(route[end : found.start()])]
            parts += [f"(?P<{name}>{self.converters[name].regex})"]
            end = found.end()
        return re.compile("".join([*parts, re.escape(route[end:]), "/?$"]), re.IGNORECASE)

    def match(self, path: str) -> Any:
        """Return what is left of the path, no positional arguments, and the named ones."""
        found = self.regex.fullmatch(path)
        if found is None:
            return None
        try:
            named = {
                name: self.converters[name].to_python(value)
                for name, value in found.groupdict().items()
            }
        except ValueError:
            return None
        return "", (), named

    def check(self) -> list[Any]:
        """Find nothing to warn of: the slash at the end is our own."""
        return []


def route(path: str, view: type[View] | Callable[..., HttpResponseBase], name: str) -> URLPattern:
    """
    Return a route: `route("api/projects", Projects, "projects")`.

    Args:
        path: As for Django's `path()`, from the mount point on, without a slash at the end;
            `<guid:id>` takes a GUID in any letter case.
        view: A view class or function.
        name: What `link(request, name)` finds it by.
    """
    made: Any = view
    callback = made.as_view() if isinstance(view, type) else made
    return URLPattern(_AnyCaseRoute(path, name=name, is_endpoint=True), callback, None, name)
