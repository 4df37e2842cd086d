"""The OpenAPI document and its page; the page's assets are served from here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.settings import patched_settings
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from backgroundtasks.api.enterprise_tester.openapi import SETTINGS, Generator


class SchemaDocument(SpectacularAPIView):
    """The document, as YAML or (with `format=json` or `Accept`) JSON."""

    generator_class = Generator
    custom_settings = SETTINGS
    authentication_classes = ()


class Docs(SpectacularSwaggerView):
    """A page to browse it."""

    url_name = "enterprise_tester-schema"
    authentication_classes = ()


def document() -> Any:
    """Return the document as it is served, for tests."""
    with patched_settings(SETTINGS):
        return Generator().get_schema(  # type: ignore[no-untyped-call]
            request=None, public=True
        )
