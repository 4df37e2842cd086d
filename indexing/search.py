"""
Ask the index: from a query's tree to documents, and to counts.

Everything is scoped to one account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from indexing import sources, tql
from indexing.conditions import Conditions
from indexing.fields import Known
from indexing.models import Document
from indexing.tql import QueryInvalid

#: Groups that a query may have; more would be no summary.
MAX_GROUPS = 10_000


def find(
    account_id: UUID,
    query: tql.Query,
    *,
    zone: tzinfo = UTC,
    entity_types: Iterable[str] | None = None,
) -> QuerySet[Document]:
    """
    Return the documents that a query asks for, in its order, else by name.

    Args:
        account_id: Whose documents.
        query: From `tql.parse`; its aggregates are not looked at.
        zone: Where moments without a zone are meant.
        entity_types: Only these, as registered.

    Raises:
        QueryInvalid: it names a field that is not there, or compares one as it cannot be.
    """
    conditions = Conditions(account_id, zone)
    found = Document.objects.filter(account=account_id)
    hidden = sources.hidden_projects()
    if hidden is not None:
        found = found.exclude(project_id__in=hidden)
    if entity_types is not None:
        found = found.filter(entity_type__in=list(entity_types))
    if query.condition is not None:
        found = found.filter(conditions.condition(query.condition))
    return found.order_by(*map(conditions.ordering, query.order), "name_key", "entity_id")


def summarize(account_id: UUID, query: tql.Query, *, zone: tzinfo = UTC) -> dict[str, Any]:
    """
    Return the aggregates of a query by their names.

    Returns:
        `{"GroupByEntityType": {"incident": {"COUNT": 31}}}`. Groups of a reference have the
        names of what it leads to, all others the value as it is compared: in lower case.

    Raises:
        QueryInvalid: as `find`, or there are more than `MAX_GROUPS` groups.
    """
    conditions = Conditions(account_id, zone)
    found = find(account_id, replace(query, order=()), zone=zone).order_by()
    if query.order:
        raise QueryInvalid("groups come in the order of their names.", query.order[0].field.at)
    result: dict[str, Any] = {}
    for groups, count in _counts(query.aggregates):
        fields = [conditions.grouping(group) for group in groups]
        for names, number in _numbers(conditions, found, fields):
            place = result
            for group, field, name in zip(groups, fields, names, strict=True):
                label = group.label or f"GroupBy{field.name}"
                place = place.setdefault(label, {}).setdefault(name, {})
            label = count.label or "COUNT"
            # Two projects of one name share a group.
            place[label] = place.get(label, 0) + number
        if groups:
            result.setdefault(groups[0].label or f"GroupBy{fields[0].name}", {})
    return result


def _counts(
    aggregates: Iterable[tql.Aggregate], above: tuple[tql.GroupBy, ...] = ()
) -> Iterator[tuple[tuple[tql.GroupBy, ...], tql.Count]]:
    """Yield every `COUNT` with the groups that it stands in, from the outermost."""
    for aggregate in aggregates:
        if isinstance(aggregate, tql.Count):
            yield above, aggregate
        else:
            yield from _counts(aggregate.aggregates, (*above, aggregate))


def _numbers(
    conditions: Conditions, found: QuerySet[Document], fields: Sequence[Known]
) -> list[tuple[tuple[str, ...], int]]:
    """Return the names of each group, and how many documents it has; by name."""
    if not fields:
        return [((), found.count())]
    keys = {f"group_{number}": field.stored for number, field in enumerate(fields)}
    grouped = found.annotate(**keys).values(*keys).annotate(number=Count("pk"))
    rows = list(grouped.values_list(*keys, "number")[: MAX_GROUPS + 1])
    if len(rows) > MAX_GROUPS:
        raise QueryInvalid(f"it has more than {MAX_GROUPS} groups.", tql.Position())
    columns = list(zip(*rows, strict=True))[:-1]
    names = [
        conditions.names(field, set(column)) for field, column in zip(fields, columns, strict=False)
    ]
    return sorted(
        (tuple(name[value] for name, value in zip(names, values, strict=True)), number)
        for *values, number in rows
    )
