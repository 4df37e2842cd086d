"""The parameter `selections` of `bulkaction`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers

from tickets.bulk import kinds, selection


class SelectionsField(serializers.ListField):
    """`[{"Id": guid, "Type": text}]`: thousands of them, so it looks at each by hand."""

    child = serializers.DictField()
    json_schema = {
        "type": "array",
        "maxItems": selection.MOST,
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
        if len(data) > selection.MOST:
            raise serializers.ValidationError(
                f"At most {selection.MOST:,} entities; these are {len(data):,}."
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
