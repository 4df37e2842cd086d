"""
Which entities an action is about: given one by one, or found by a query.

A long selection is kept as a file of the account, a line an entity, since parameters are read with
their task again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.files.base import ContentFile
from rest_framework import serializers

from indexing import search, tql
from tickets import uploads
from tickets.bulk import kinds
from tickets.bulk.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Entities of one action, at most.
MOST: Final = 200_000
#: More than so many are kept in a file.
INLINE: Final = 500

#: Entity type and id.
Entity = tuple[str, UUID]


class SelectionsField(serializers.ListField):
    """`[{"Id": guid, "Type": text}]`: thousands of them, so it looks at each by hand."""

    child = serializers.DictField()
    json_schema = {
        "type": ["array", "null"],
        "maxItems": MOST,
        "items": {
            "type": "object",
            "properties": {
                "Id": {"type": "string", "format": "uuid"},
                "Type": {"type": "string", "minLength": 1},
            },
            "required": ["Id", "Type"],
        },
    }

    def to_internal_value(self, data: Any) -> list[dict[str, str]]:
        """Return entities with the types that search shows; the first that is wrong is named."""
        if not isinstance(data, list):
            raise serializers.ValidationError("Must be a list.")
        if len(data) > MOST:
            raise serializers.ValidationError(
                f"At most {MOST:,} entities; these are {len(data):,}."
            )
        names: dict[str, str] = {}
        return [_entity(number, one, names) for number, one in enumerate(data)]

    def to_representation(self, value: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return them as they are stored."""
        return value


def _entity(number: int, one: Any, names: dict[str, str]) -> dict[str, str]:
    if not isinstance(one, dict):
        raise serializers.ValidationError(f"Number {number}: Must be an object.")
    identity, name = one.get("Id"), one.get("Type")
    if not isinstance(name, str):
        raise serializers.ValidationError(f"Number {number}: Type: Must be a text.")
    if name not in names:
        kind = kinds.find(name)
        if kind is None:
            known = ", ".join(kinds.all_names())
            raise serializers.ValidationError(
                f"Number {number}: There is no entity type {name[:60]!r}; there are {known}."
            )
        names[name] = kinds.name_of(kind)
    try:
        # Of an odd value the text is no id, whatever it is.
        return {"Id": str(UUID(str(identity))), "Type": names[name]}
    except ValueError:
        raise serializers.ValidationError(f"Number {number}: Id: Must be a valid UUID.") from None


def given(selections: Iterable[dict[str, str]]) -> list[Entity]:
    """Return the entities of a parameter, each once."""
    return list(dict.fromkeys((one["Type"], UUID(one["Id"])) for one in selections))


def found(account_id: UUID, query: str, project_id: UUID | None) -> list[Entity]:
    """
    Return the entities that a query finds now, in its order.

    Raises:
        QueryInvalid: it cannot be understood, or finds too many.
    """
    documents = search.find(account_id, tql.parse(query))
    if project_id is not None:
        documents = documents.filter(project_id=project_id)
    number = documents.count()
    if number > MOST:
        raise tql.QueryInvalid(
            f"it finds {number:,} entities; at most {MOST:,} at once.", tql.Position()
        )
    return list(documents.values_list("entity_type", "entity_id"))


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
