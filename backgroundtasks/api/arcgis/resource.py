"""
What this API has, described once: JSON, the HTML directory and the OpenAPI document are made of it.

    TASK = Resource(
        "system/tasks/<str:task_id>",
        access=DEFAULT_ADMINISTRATOR,
        read=show,
        operations=(Operation("delete", "Delete Task", perform=delete),),
    )

`resources.RESOURCES` lists them all. Paths are below the root of the API, without slashes around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.urls import reverse
from django.utils.encoding import escape_uri_path

from backgroundtasks.api import authentication
from backgroundtasks.api.arcgis import access
from backgroundtasks.api.arcgis.access import Access, Caller
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.origins import origin

if TYPE_CHECKING:
    from django.http import HttpRequest

    from backgroundtasks.api.arcgis.parameters import Given
    from backgroundtasks.handlers import Actor

Body = dict[str, Any]
_PART: Final = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass
class Call:
    """One request of somebody who may make it."""

    request: HttpRequest
    given: Given
    caller: Caller
    #: Of the path: `{"task_id": "…"}`
    parts: Mapping[str, str]
    resource: Resource
    #: All there are.
    directory: Sequence[Resource]

    @cached_property
    def actor(self) -> Actor:
        """The caller, in the account that the request is about."""
        return access.actor(self.request, self.caller)

    @property
    def path(self) -> str:
        """The path of the resource below the root, with its parts filled in."""
        return self.resource.filled(self.parts)

    def children(self) -> list[str]:
        """Return the names of the resources below this one that the caller may see."""
        return [
            below.name
            for below in self.directory
            if below.path
            and below.parent == self.resource.path
            and not below.name.startswith("<")
            and below.access.admits(self.caller.user)
        ]

    def require_scope(self) -> None:
        """
        Refuse unless the token may do this.

        Raises:
            Refused: its scope leaves it out.
        """
        writes = self.request.method == "POST"
        needed = authentication.WRITE if writes else authentication.READ
        authentication.require_scope(self.actor, needed)

    def url(self, path: str) -> str:
        """Return the absolute URL of a path below the root."""
        return f"{origin(self.request)}{href(path)}"


@dataclass(frozen=True, slots=True)
class Link:
    """Where the HTML directory leads to."""

    name: str
    #: Below the root.
    path: str
    #: What is said beside it.
    note: str = ""
    #: Of a list that is drawn as a table: members of the answer, the same ones in each link.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation has done."""

    #: What JSON says.
    body: Body
    #: Where the HTML directory goes on, below the root.
    then: str


def no_fields(call: Call) -> Sequence[Field]:
    """Return the fields of an operation that takes none."""
    return ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be done with a resource, by POST; GET shows its form."""

    #: The last part of its path: `createTask`
    name: str
    #: For people: `Create Task`
    title: str
    perform: Callable[[Call], Done]
    #: Its parameters, with the values that the form shows at first; `f` and `token` are everybody's.
    fields: Callable[[Call], Sequence[Field]] = no_fields
    #: For people: what it does.
    text: str = ""
    #: It cannot be undone: the form says so.
    destructive: bool = False
    #: Our own: the vendor has no such operation.
    extension: bool = False
    #: The same without values, where `fields` cannot say them without a request.
    takes: tuple[Field, ...] = ()


def no_links(call: Call, body: Body) -> Sequence[Link]:
    """Return no links."""
    return ()


@dataclass(frozen=True, slots=True)
class Resource:
    """A path that can be read, and what can be done there."""

    #: As for Django's `path()`.
    path: str
    access: Access
    #: Returns what JSON says.
    read: Callable[[Call], Body]
    operations: tuple[Operation, ...] = ()
    #: Links to what it lists; resources below that have a fixed name are found by themselves.
    links: Callable[[Call, Body], Sequence[Link]] = no_links
    #: What it is called for people, in place of the last part of its path.
    title: Callable[[Call, Body], str] | None = None
    #: Members of the body that the HTML directory does not show as properties: what it links to.
    listed: tuple[str, ...] = ()
    #: For people: what it is.
    text: str = ""
    #: Parameters of reading, beside `f` and `token`.
    fields: tuple[Field, ...] = ()
    extension: bool = field(default=False)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path of the resource above; empty: the root."""
        return self.path.rpartition("/")[0]

    def filled(self, parts: Mapping[str, str]) -> str:
        """Return the path with its parts in place: `system/tasks/9b1f…`."""
        return _PART.sub(lambda found: str(parts[found[1]]), self.path)


def overview(call: Call) -> Body:
    """Return what a resource says that only leads to others."""
    return {
        "operations": [operation.name for operation in call.resource.operations],
        "resources": call.children(),
    }


def facts(body: Body, *names: str) -> Body:
    """Return some members of an answer, in this order; None for one that it does not have."""
    return {name: body.get(name) for name in names}


def href(path: str) -> str:
    """Return what a link to a path below the root holds, wherever the project is mounted."""
    root = reverse("arcgis-admin").rstrip("/")
    return f"{root}/{escape_uri_path(path)}" if path else root
