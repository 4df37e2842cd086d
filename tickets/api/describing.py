"""What the descriptions of this app's resources share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from backgroundtasks.api import kit

TEXT_OR_NULL: Final = kit.NULLABLE_TEXT
LINKS: Final = kit.array_of(kit.ref("Link"))
#: Expansions of entities that have custom fields.
FIELDS: Final[dict[str, Any]] = {
    "Widgets": kit.array_of(kit.ref("Widget")),
    "FieldValues": {
        "type": "object",
        "additionalProperties": True,
        "description": "Values by the names of custom fields; null where there is none.",
    },
}
COLLECTION: Final = (*kit.ODATA, kit.EXPAND)
SEARCHABLE: Final = (*COLLECTION, kit.TQL)


def expandable(names: Sequence[str]) -> dict[str, Any]:
    """Return the `Expands` of an entity."""
    return kit.array_of({"type": "string", "enum": [*names]})


def or_null(name: str) -> dict[str, Any]:
    """Return a component that may be null."""
    return {"anyOf": [kit.ref(name), {"type": "null"}]}
