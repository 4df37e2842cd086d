"""The OpenAPI document of this dialect, where it is served and for tests."""

from __future__ import annotations

from typing import Any

from drf_spectacular.settings import patched_settings

from backgroundtasks.api.enterprise_tester.openapi import SETTINGS, Generator
from backgroundtasks.api.schema_views import schema_routes

urlpatterns = schema_routes("enterprise_tester", Generator, SETTINGS)


def document() -> Any:
    """Return the document as it is served, for tests."""
    with patched_settings(SETTINGS):
        return Generator().get_schema(  # type: ignore[no-untyped-call]
            request=None, public=True
        )
