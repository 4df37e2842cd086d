"""Every dialect's OpenAPI document, and a page to browse it whose assets are served from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from backgroundtasks.api.routing import route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.urls import URLPattern


class Written(SchemaGenerator):
    """A document that is data: a subclass names it."""

    document: ClassVar[Mapping[str, Any]]

    def get_schema(self, request: Any = None, public: bool = False) -> Any:  # noqa: FBT001, FBT002 - its base's signature
        """Return the document."""
        return self.document


def schema_routes(
    dialect: str, generator: type[SchemaGenerator], settings: Mapping[str, Any]
) -> list[URLPattern]:
    """
    Return the routes `schema/<dialect>` and `schema/<dialect>/docs`.

    The document is YAML or (with `format=json` or `Accept`) JSON. Import this module only where
    `drf_spectacular` is installed.

    Args:
        dialect: `astra`
        generator: Makes the document; a subclass of `Written` has it.
        settings: drf-spectacular's, for this document; `TITLE` at least.
    """
    name = f"{dialect}-schema"
    document = SpectacularAPIView.as_view(
        generator_class=generator, custom_settings=dict(settings), authentication_classes=()
    )
    page = SpectacularSwaggerView.as_view(
        url_name=name, title=settings["TITLE"], authentication_classes=()
    )
    return [
        route(f"schema/{dialect}", document, name),
        route(f"schema/{dialect}/docs", page, f"{dialect}-docs"),
    ]
