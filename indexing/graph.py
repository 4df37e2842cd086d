"""
What hangs together with an entity, as a tree: the nearest first, every entity once.

Direct relationships are stored, indirect ones follow from them. The walk keeps its direction, as
that of `Relationships IN { … }` does, or it would come from a test over its package to everything.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from django.db.models import F

from indexing import sources
from indexing.models import Document, Relationship
from indexing.related import MAX_DEPTH
from indexing.rows import Unindexed, expression

if TYPE_CHECKING:
    from collections.abc import Collection, Generator
    from uuid import UUID

    from indexing.sources import DocumentSource

#: Entities of one tree.
MOST: Final = 1_000


@dataclass(slots=True)
class Node:
    """An entity of the tree, with how it was come to."""

    entity_type: str
    entity_id: UUID
    #: Of the step that leads here; empty at the root.
    relationship_type: str = ""
    #: Whether that step goes from what is above to this; None at the root.
    outgoing: bool | None = None
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found around an entity."""

    root: Node
    #: Every node but the root.
    related: tuple[Node, ...]
    #: There is more than `MOST`.
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Step:
    above: UUID
    type: str
    to: UUID
    outgoing: bool


def tree(account_id: UUID, source: DocumentSource, entity_id: UUID, *, both_ways: bool) -> Tree:
    """
    Return what an entity is related to, over at most `MAX_DEPTH` steps.

    A constant number of queries, whatever is found. Entities that are in no index, and those of
    projects that nobody may see for now, are left out.

    Args:
        account_id: Whose.
        source: Of the entity.
        entity_id: Its primary key.
        both_ways: Also what leads to it; else only what it leads to.
    """
    steps: list[_Step] = []
    seen = {entity_id}
    truncated = False
    for outgoing in (True, False) if both_ways else (True,):
        level = [entity_id]
        for _ in range(MAX_DEPTH):
            taken, more = _next(account_id, level, seen, outgoing=outgoing, room=MOST - len(steps))
            steps += taken
            truncated |= more
            level = [step.to for step in taken]
            if not level:
                break
    root = Node(source.entity_type, entity_id)
    types = _types(account_id, [step.to for step in steps])
    nodes = {entity_id: root}
    for step in steps:
        above, entity_type = nodes.get(step.above), types.get(step.to)
        if above is None or entity_type is None:
            continue
        node = Node(entity_type, step.to, step.type, step.outgoing)
        nodes[step.to] = node
        above.children.append(node)
    related = tuple(node for node in nodes.values() if node is not root)
    return Tree(root, related, truncated)


def described(nodes: Collection[Node], names: Collection[str]) -> dict[UUID, dict[str, Any]]:
    """
    Return what the entities of nodes say now, as the database has it: one query for each type.

    Args:
        nodes: Of any types.
        names: Fields of the sources; `Name` is there for all.

    Returns:
        By id: the fields by name; None where a type has no such field. What is gone is left out.
    """
    ids: dict[str, list[UUID]] = defaultdict(list)
    for node in nodes:
        ids[node.entity_type].append(node.entity_id)
    found: dict[UUID, dict[str, Any]] = {}
    for entity_type, wanted in ids.items():
        source = sources.find(entity_type)
        if source is None:  # its app was taken out
            continue
        known = [name for name in names if name in source.fields]
        paths = [source.name, *(source.fields[name].path for name in known)]
        values = {f"value_{number}": expression(path) for number, path in enumerate(paths)}
        rows = source.queryset().filter(pk__in=wanted).annotate(**values)
        for pk, *row in rows.values_list("pk", *values):
            found[pk] = {**dict.fromkeys(names), **dict(zip(["Name", *known], row, strict=True))}
    return found


def _next(
    account_id: UUID, level: list[UUID], seen: set[UUID], *, outgoing: bool, room: int
) -> tuple[list[_Step], bool]:
    """Return the steps from a level to entities that were not met before; and whether more are left."""
    here, there = ("source_id", "destination_id") if outgoing else ("destination_id", "source_id")
    stored = Relationship.objects.filter(account=account_id, **{f"{here}__in": level})
    rows = stored.order_by(here, "type", there).values_list(here, "type", there)
    steps: list[_Step] = []
    # Read no further than there is room for.
    with closing(cast("Generator[Any]", rows.iterator(room + 1))) as found:
        for above, kind, to in found:
            if to in seen:
                continue
            if len(steps) == room:
                return steps, True
            seen.add(to)
            steps.append(_Step(above, kind, to, outgoing))
    return steps, False


def _types(account_id: UUID, ids: list[UUID]) -> dict[UUID, str]:
    # By type and id there is an index; SQLite would rather read the whole account by another.
    types = [source.entity_type for source in sources.all_sources()]
    documents = Document.objects.filter(entity_type__in=types, entity_id__in=ids)
    documents = documents.alias(owner=Unindexed(F("account_id"))).filter(owner=account_id)
    hidden = sources.hidden_projects()
    if hidden is not None:
        documents = documents.exclude(project_id__in=hidden)
    return dict(documents.values_list("entity_id", "entity_type"))
