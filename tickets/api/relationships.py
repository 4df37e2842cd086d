"""
`/api/incident/{id}/relationships`, `…/allrelationships`, and the same of other entities.

One object: the entity, with what it is related to as `Children` of `Children`. Members and the two
resources are the vendor's; that the outermost object is the entity itself, and what the walk takes
in, is inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from backgroundtasks.api import kit
from indexing import graph, sources
from tickets.api import lookup
from tickets.bulk.folders import DEEPEST
from tickets.models import ExecutionPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor
    from indexing.graph import Node

_Packages = dict["UUID", tuple[str, "UUID | None"]]

_NAMES: Final = ("Number", "AssignedTo", "Status", "Priority", "Type", "Package")
_DIRECTIONS: Final = {True: "Source -> Destination", False: "Destination -> Source"}


class _Relationships(kit.ResourceView):
    rows: ClassVar[Callable[[Actor], QuerySet[Any]]]
    word: ClassVar[str]
    both_ways: ClassVar[bool]

    def get(self, request: Request, **identity: UUID) -> kit.Response:
        """Return what the entity leads to; `allrelationships`: what leads to it, too."""
        rows = type(self).rows(self.actor)
        row = lookup.get(rows, next(iter(identity.values())), self.word)
        found = graph.tree(
            self.actor.account.pk, sources.get(rows.model), row.pk, both_ways=self.both_ways
        )
        values = graph.described([found.root, *found.related], _NAMES)
        packages = _packages({one["Package"] for one in values.values()})
        return kit.Response({**_body(found.root, values, packages), "Truncated": found.truncated})


def _of(rows: Callable[[Actor], QuerySet[Any]], word: str, *, both_ways: bool) -> type[Any]:
    """Return the resource of one kind of entity."""
    members = {"rows": staticmethod(rows), "word": word, "both_ways": both_ways}
    name = f"{'All' if both_ways else ''}RelationshipsOf{word.title().replace(' ', '')}"
    return type(name, (_Relationships,), {**members, "__module__": __name__})


#: Part of the path -> the resource's parameter, and what an actor may see of its entities.
OF: Final = {
    "incident": ("incident_id", lookup.incidents, "incident"),
    "script": ("script_id", lookup.scripts, "script"),
    "scriptassignment": (
        "script_assignment_id",
        lookup.script_assignments,
        "script assignment",
    ),
    "agilerun": ("agile_run_id", lookup.agile_runs, "agile run"),
    "automatedtest": ("test_id", lookup.automated_tests, "automated test"),
    "automatedtestassignment": (
        "assignment_id",
        lookup.assignments,
        "automated test assignment",
    ),
}
RESOURCES: Final = [
    (f"api/{path}/<guid:{parameter}>/{name}", _of(rows, word, both_ways=both), f"{path}-{name}")
    for path, (parameter, rows, word) in OF.items()
    for name, both in (("relationships", False), ("allrelationships", True))
]


def _body(
    node: Node, values: Mapping[UUID, Mapping[str, Any]], packages: _Packages
) -> dict[str, Any]:
    own = values.get(node.entity_id) or {}
    number, package = own.get("Number"), _package(own.get("Package"), packages)
    return {
        "EntityId": node.entity_id,
        "Number": None if number is None else str(number),
        "Name": own.get("Name"),
        "EntityType": node.entity_type,
        "AssignedTo": own.get("AssignedTo"),
        "Status": own.get("Status"),
        "Priority": own.get("Priority"),
        "Type": own.get("Type"),
        **package,
        "ParentId": None,
        "ParentPath": None,
        "ParentName": None,
        "RelationshipId": None,
        "RelationshipTypeKey": node.relationship_type or None,
        "RelationshipType": node.relationship_type or None,
        "Relation": node.relationship_type or None,
        "RelationshipDirection": None if node.outgoing is None else _DIRECTIONS[node.outgoing],
        "CanDelete": False,
        "CanEdit": False,
        "Children": [
            _body(child, values, packages)
            for child in sorted(node.children, key=lambda one: _order(one, values))
            if child.entity_id in values
        ],
    }


def _package(identity: UUID | None, packages: _Packages) -> dict[str, Any]:
    if identity is None or identity not in packages:
        return dict.fromkeys(("PackageId", "PackageName", "PackageEntityType", "PackagePath"))
    return {
        "PackageId": identity,
        "PackageName": packages[identity][0],
        "PackageEntityType": "ExecutionPackage",
        "PackagePath": _path(identity, packages),
    }


def _order(node: Node, values: Mapping[UUID, Mapping[str, Any]]) -> tuple[str, str, str]:
    own = values.get(node.entity_id) or {}
    return node.entity_type, own.get("Name") or "", str(node.entity_id)


def _packages(ids: Iterable[UUID | None]) -> _Packages:
    """Return the names of packages and of all that they are in, and what each is in."""
    found: _Packages = {}
    wanted = {identity for identity in ids if identity is not None}
    for _ in range(DEEPEST):
        if not wanted:
            break
        rows = ExecutionPackage.objects.filter(pk__in=wanted)
        level: _Packages = {
            pk: (name, up) for pk, name, up in rows.values_list("pk", "name", "parent_id")
        }
        found |= level
        wanted = {up for _, up in level.values() if up is not None and up not in found}
    return found


def _path(identity: UUID, packages: _Packages) -> str:
    names: list[str] = []
    here: UUID | None = identity
    while here is not None and here in packages and len(names) <= DEEPEST:
        name, here = packages[here]
        names.append(name)
    return "".join(f"/{name}" for name in reversed(names))
