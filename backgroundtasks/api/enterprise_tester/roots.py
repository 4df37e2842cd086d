"""The root resource: which collections there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backgroundtasks.api.enterprise_tester.links import link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class Root:
    """A top-level collection, as `GET /api/` lists it."""

    rel: str
    title: str
    name: str
    methods: tuple[str, ...]
    description: str = ""
    odata: bool = False
    tql: bool = False


_roots: dict[str, Root] = {}


def register_root(
    rel: str,
    title: str,
    name: str,
    methods: Sequence[str],
    *,
    description: str = "",
    odata: bool = False,
    tql: bool = False,
) -> None:
    """
    List a collection in the root resource; a second call for the same `rel` replaces it.

    Args:
        rel: The vendor's root relation: `Projects`.
        title: For people.
        name: Of the route, which takes no parts.
        methods: That the resource takes: `("GET", "POST")`.
        description: One line for people.
        odata: It takes `$filter`, `$orderby` and the other OData parameters.
        tql: It takes `tql`.
    """
    _roots[rel] = Root(rel, title, name, tuple(methods), description, odata, tql)


def root_links(request: Request) -> list[dict[str, Any]]:
    """Return every collection by its relation."""
    return [
        {
            "Title": root.title,
            "Href": link(request, root.name),
            "Rel": root.rel,
            "Description": root.description,
            "SupportedHttpMethods": list(root.methods),
            "SupportsOData": root.odata,
            "SupportsTQL": root.tql,
            "Help": "",
        }
        for _, root in sorted(_roots.items())
    ]
