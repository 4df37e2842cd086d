"""
Which entities an action is about: given one by one, or found by a query.

A long selection is kept as a file of the account, a line an entity, since parameters are read with
their task again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.core.files.base import ContentFile

from indexing import search, tql
from tickets import uploads
from tickets.bulk import kinds
from tickets.bulk.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    from indexing.models import Document

#: Entities of one action, at most.
MOST: Final = 200_000
#: More than so many are kept in a file.
INLINE: Final = 500

#: Entity type and id.
Entity = tuple[str, UUID]


def given(selections: Iterable[dict[str, str]]) -> list[Entity]:
    """Return the entities of a parameter, each once."""
    return list(dict.fromkeys((one["Type"], UUID(one["Id"])) for one in selections))


def found(account_id: UUID, query: str, project_id: UUID | None) -> QuerySet[Document]:
    """
    Return the documents of what a query finds now, in its order.

    Raises:
        QueryInvalid: it cannot be understood, asks for groups, or finds too many.
    """
    parsed = tql.parse(query)
    if parsed.aggregates:
        raise tql.QueryInvalid("GROUP BY selects no entities.", tql.Position())
    documents = search.find(account_id, parsed)
    if project_id is not None:
        documents = documents.filter(project_id=project_id)
    number = documents.count()
    if number > MOST:
        raise tql.QueryInvalid(
            f"it finds {number:,} entities; at most {MOST:,} at once.", tql.Position()
        )
    return documents


def save(name: str, entities: Iterable[Entity]) -> None:
    """Store a selection under this name; one that was begun before is replaced."""
    uploads.delete(name)
    text = "".join(f"{kind} {identity.hex}\n" for kind, identity in entities)
    uploads.save(name, ContentFile(text.encode()))


def load(name: str) -> list[Entity]:
    """
    Return a stored selection.

    Raises:
        FileNotFoundError: it is no longer there.
    """
    with uploads.read(name) as file:
        lines = file.read().decode().splitlines()
    pairs = (line.split(" ") for line in lines)
    return [(kind, UUID(identity)) for kind, identity in pairs]


def by_kind(entities: Iterable[Entity]) -> Iterator[tuple[Kind, list[UUID]]]:
    """Yield the ids of each kind among entities, in the order in which kinds come first."""
    found: dict[str, list[UUID]] = {}
    for name, identity in entities:
        found.setdefault(name, []).append(identity)
    for name, ids in found.items():
        kind = kinds.find(name)
        if kind is not None:
            yield kind, ids
