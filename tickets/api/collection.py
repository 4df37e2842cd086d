"""A page of a collection, with expansions that cost a constant number of queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from backgroundtasks.api import kit
from indexing import search, tql
from tickets.api import lookup

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

_M = TypeVar("_M", bound="Model")


def page(
    request: Request,
    rows: QuerySet[_M],
    represent: Callable[[Sequence[_M]], list[dict[str, Any]]],
    members: Mapping[str, str],
    *,
    order: Iterable[str] = ("-created_at",),
    entity_type: str | None = None,
) -> kit.Response:
    """
    Return a page with all four members of the envelope.

    Args:
        request: With the OData parameters, or `tql`.
        rows: All that the actor may see.
        represent: Makes the items of a page at once.
        members: What `$filter` and `$orderby` may name, with the columns.
        order: When `$orderby` says nothing.
        entity_type: What `tql` finds in the search index; None: the collection takes no TQL.
    """
    text = request.query_params.get("tql", "")
    if entity_type is not None and text.strip():
        return _searched(request, text, rows, represent, entity_type)
    wanted = kit.read_slice(request)
    found = kit.ordered(request, kit.filtered(request, rows, members), members, order)
    part = list(found[wanted.skip : wanted.skip + wanted.top])
    return kit.Response(kit.envelope(represent(part), wanted, found.count()))


def _searched(
    request: Request,
    text: str,
    rows: QuerySet[_M],
    represent: Callable[[Sequence[_M]], list[dict[str, Any]]],
    entity_type: str,
) -> kit.Response:
    """Return a page of what a TQL query finds, in its order."""
    for name in ("$filter", "$orderby"):
        if request.query_params.get(name):
            raise kit.Refused(f"{name} cannot be combined with tql: say it in TQL.")
    wanted = kit.read_slice(request)
    try:
        query = tql.parse(text)
        if query.aggregates:
            raise kit.Refused("This collection gives entities; GROUP BY is for /api/search.")
        found = search.find(lookup.actor(request).account.pk, query, entity_types=[entity_type])
        total = found.count()
        part = found[wanted.skip : wanted.skip + wanted.top]
        ids = list(part.values_list("entity_id", flat=True))
    except tql.QueryInvalid as error:
        raise kit.Refused(str(error)) from None
    by_id = {row.pk: row for row in rows.filter(pk__in=ids)}
    there = [by_id[identity] for identity in ids if identity in by_id]
    return kit.Response(kit.envelope(represent(there), wanted, total))
