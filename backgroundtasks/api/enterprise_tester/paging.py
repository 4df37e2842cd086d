"""
Collections: `$filter`, `$orderby`, `$top`, `$take`, `$skip`, `$inlinecount`, `$expand`.

Pages hold 25 items unless asked otherwise, at most 1000. The envelope is
`{"Skip", "Top", "Total", "Items"}`; typed clients of the vendor take all four, always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db.models import Q
from rest_framework.response import Response

from backgroundtasks.api.enterprise_tester import odata
from backgroundtasks.api.errors import Refused

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

PAGE: Final = 25
LARGEST_PAGE: Final = 1000
#: What `$skip` may be at most: beyond 64 bits no database takes it.
LARGEST_SKIP: Final = 2**31 - 1

_M = TypeVar("_M", bound="Model")


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a collection was asked for."""

    skip: int
    top: int
    #: `$inlinecount=allpages`.
    counted: bool


def read_slice(request: Request, *, largest_skip: int = LARGEST_SKIP) -> Slice:
    """
    Return what `$top` (or `$take`), `$skip` and `$inlinecount` ask for.

    Raises:
        Refused: no number, or one out of range.
    """
    top_name = "$take" if "$take" in request.query_params else "$top"
    inlinecount = request.query_params.get("$inlinecount", "none").lower()
    if inlinecount not in {"allpages", "none"}:
        raise Refused("$inlinecount must be allpages or none.")
    return Slice(
        skip=_number(request, "$skip", 0, largest_skip),
        top=_number(request, top_name, PAGE, LARGEST_PAGE),
        counted=inlinecount == "allpages",
    )


def envelope(
    items: list[Any], wanted: Slice, total: int | None = None, **members: Any
) -> dict[str, Any]:
    """Return a page; without a total there is no `Total`."""
    body: dict[str, Any] = {"Skip": wanted.skip, "Top": wanted.top}
    if total is not None:
        body["Total"] = total
    return {**body, "Items": items, **members}


def page(
    request: Request,
    rows: QuerySet[_M],
    represent: Callable[[_M], Any],
    members: odata.Members | None = None,
    *,
    order: Iterable[str] = (),
) -> Response:
    """
    Return a page of a queryset that is scoped to what the actor may see.

    Args:
        request: With the OData parameters.
        rows: All that the actor may see.
        represent: Makes the item of a row.
        members: What `$filter` and `$orderby` may name, with the columns:
            `{"Name": "name", "Owner": "owner__username"}`; none for a TQL collection.
        order: When `$orderby` says nothing; the primary key decides between equals.

    Raises:
        Refused: a parameter that does not fit; answered 403.
    """
    wanted = read_slice(request)
    found = ordered(request, filtered(request, rows, members or {}), members or {}, order)
    total = found.count()
    items = [represent(row) for row in found[wanted.skip : wanted.skip + wanted.top]]
    return Response(envelope(items, wanted, total))


def filtered(request: Request, rows: QuerySet[_M], members: odata.Members) -> QuerySet[_M]:
    """Return the rows that `$filter` leaves."""
    wanted = condition(request, rows.model, members)
    return rows.filter(wanted) if wanted else rows


def condition(request: Request, model: type[Model], members: odata.Members) -> Q:
    """Return what `$filter` asks for; an empty condition without one."""
    text = request.query_params.get("$filter", "")
    if "\0" in text:
        raise Refused("$filter holds a NUL character.")
    return odata.condition(text, model, members) if text.strip() else Q()


def ordered(
    request: Request, rows: QuerySet[_M], members: odata.Members, order: Iterable[str]
) -> QuerySet[_M]:
    """Return the rows as `$orderby` sorts them, else as `order` does."""
    text = request.query_params.get("$orderby", "")
    columns = odata.order(text, members) if text.strip() else [*order]
    return rows.order_by(*columns, "pk")


def expansions(request: Request, known: Iterable[str]) -> frozenset[str]:
    """
    Return which of the known expansions `$expand` (or `expand`) asks for.

    Names fit in any letter case; unknown ones are ignored, as the vendor's own samples
    name some that do not exist.
    """
    text = request.query_params.get("$expand") or request.query_params.get("expand") or ""
    asked = {name.strip().lower() for name in text.split(",")}
    return frozenset(name for name in known if name.lower() in asked)


def unexpanded(known: Iterable[str], expanded: Iterable[str]) -> list[str]:
    """Return the `Expands` of a representation: what could still be asked for, in its order."""
    done = frozenset(expanded)
    return [name for name in known if name not in done]


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or int(text) > most:
        raise Refused(f"{name} must be a whole number of 0 to {most}.")
    return int(text)
