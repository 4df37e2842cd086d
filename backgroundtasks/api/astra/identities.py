"""
Identifiers: UUIDs of version 4 or 5, or the nil one, with dashes and in lower case.

What has no such id gets one that is made of its key, always the same.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model

from backgroundtasks import queries

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor

NIL: Final = "00000000-0000-0000-0000-000000000000"
PATTERN: Final = (
    "(?:0{8}-0{4}-0{4}-0{4}-0{12}"
    "|[0-9a-f]{8}-[0-9a-f]{4}-(?:4[0-9a-f]{3}-[89ab]|5[0-9a-f]{3}-[0-9a-f])[0-9a-f]{3}-[0-9a-f]{12})"
)
_IDENTIFIER: Final = re.compile(PATTERN)
#: Names of these are the keys of users and the ids of resources. Clients keep what comes out.
_USERS: Final = UUID("6f1c1d8e-5b0a-4c52-9c0e-3d3a7e1f9b11")
_RESOURCES: Final = UUID("b7a54c0e-2f6d-4c7b-8a3e-90d1c5e2f422")


def is_identifier(text: str) -> bool:
    """Return whether a text is an identifier."""
    return _IDENTIFIER.fullmatch(text) is not None


def parsed(text: str) -> UUID | None:
    """Return an identifier as a UUID; None for what is none."""
    return UUID(text) if is_identifier(text) else None


@lru_cache(maxsize=10_000)
def of_user(key: Any) -> str:
    """Return the identifier of the user with this primary key; nil for none."""
    return NIL if key is None else str(uuid.uuid5(_USERS, str(key)))


@lru_cache(maxsize=10_000)
def of_resource(text: str) -> str:
    """Return the identifier of a resource: its own id where that is one."""
    if not text:
        return NIL
    return text if is_identifier(text) else str(uuid.uuid5(_RESOURCES, text))


def user_keys(identifier: str) -> list[Any]:
    """Return the keys of the users with this identifier: one or none. One query."""
    users: Any = get_user_model()._default_manager  # noqa: SLF001 - Django's documented name
    keys = users.order_by("pk").values_list("pk", flat=True)
    return [key for key in keys.iterator() if of_user(key) == identifier]


def resource_ids(actor: Actor, identifier: str) -> list[str]:
    """
    Return the ids of resources that an identifier stands for.

    Queries: one, and only for an identifier that may be made of another id (version 5).
    """
    if UUID(identifier).version != 5:  # noqa: PLR2004
        return [identifier]
    runs = queries.visible_runs(actor).filter(resource_id__isnull=False).order_by()
    known = runs.values_list("resource_id", flat=True).distinct()
    return [text for text in known.iterator() if text and of_resource(text) == identifier]
