"""What a task works on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """
    The thing that a task works on, as dialects show it: SailPoint's `target`, Astra's `resourceID`.

    Return one from `TaskHandler.resource`; it is kept with the task.
    """

    #: Any text, at most 200 characters; clients filter by it.
    id: str
    name: str = ""
    #: What sort of thing, in lower case: `project`, `application`, `identity` …
    kind: str = ""
    #: Path of it on this server: `/api/project/<id>`; empty when it has none.
    path: str = ""
