"""The parameter `keepReferences` of removals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks.api import kit

if TYPE_CHECKING:
    from rest_framework.request import Request


def keeps_references(request: Request) -> bool:
    """
    Return whether incidents keep the keys and URLs of their tickets; they do unless said otherwise.

    Raises:
        Refused: neither true nor false.
    """
    said = request.query_params.get("keepReferences", "true").lower()
    if said not in {"true", "false"}:
        raise kit.Refused("keepReferences must be true or false.")
    return said == "true"
