"""Where in a package an entity is put: at its top, or in the folder that it had in another one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from indexing import documents
from tickets.models import ExecutionPackage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Packages within each other, at most: as `/api/executionpackages` has it.
DEEPEST = 50


class Tree:
    """The packages of one project, by id: parent and name."""

    def __init__(self, project_id: UUID) -> None:
        rows = ExecutionPackage.objects.filter(project_id=project_id)
        self._parents: dict[UUID, UUID | None] = {}
        self._names: dict[UUID, str] = {}
        self._children: dict[UUID | None, dict[str, UUID]] = {}
        for identity, parent, name in rows.order_by("order_number", "pk").values_list(
            "pk", "parent_id", "name"
        ):
            self.add(identity, parent, name)

    def add(self, identity: UUID, parent: UUID | None, name: str) -> None:
        """Know of a package; of several of one name in a package the first is the one."""
        self._parents[identity], self._names[identity] = parent, name
        self._children.setdefault(parent, {}).setdefault(name.casefold(), identity)

    def name(self, identity: UUID) -> str:
        """Return the name of a package."""
        return self._names[identity]

    def child(self, parent: UUID | None, name: str) -> UUID | None:
        """Return the package of this name in another one."""
        return self._children.get(parent, {}).get(name.casefold())

    def way(self, identity: UUID | None) -> list[UUID]:
        """Return a package and those that it is in, from the inside; empty for none, or a foreign one."""
        found: list[UUID] = []
        while identity is not None and identity in self._parents and len(found) <= DEEPEST:
            found.append(identity)
            identity = self._parents[identity]
        return found

    def is_in(self, identity: UUID | None, packages: Mapping[UUID, object] | set[UUID]) -> bool:
        """Whether a package is one of these, or in one."""
        return any(one in packages for one in self.way(identity))

    def below(self, packages: Iterable[UUID]) -> list[UUID]:
        """Return packages and all that are in them, from the outside."""
        found: list[UUID] = []
        level: list[UUID] = [one for one in packages if one in self._parents]
        inner: dict[UUID, list[UUID]] = {}
        for identity, parent in self._parents.items():
            if parent is not None:
                inner.setdefault(parent, []).append(identity)
        while level:
            found += level
            level = [one for outer in level for one in inner.get(outer, ())]
        return found

    def move(self, identity: UUID, parent: UUID) -> None:
        """Know that a package is in another one now."""
        old = self._children.get(self._parents[identity], {})
        name = self._names[identity]
        if old.get(name.casefold()) == identity:
            del old[name.casefold()]
        self.add(identity, parent, name)

    def height(self, identity: UUID) -> int:
        """Return how many packages are within each other from this one on, with it."""
        depth = len(self.way(identity))
        return max(len(self.way(one)) for one in self.below([identity])) - depth + 1


class Folders:
    """
    Folders below a target package that are made when they are first needed.

    Their ids follow from the run and from the folder that they are made after, so that making
    one again finds it.
    """

    def __init__(
        self, tree: Tree, target: ExecutionPackage, *, source: UUID | None, run_id: UUID
    ) -> None:
        """Take the root of the folders that are made again; None: all goes into the target."""
        self._tree = tree
        self._target = target
        self._source = source
        self._run_id = run_id

    def for_package(self, package_id: UUID | None) -> UUID:
        """Return where something goes that was in this package."""
        way = self._tree.way(package_id)
        if self._source is None or self._source not in way:
            return self._target.pk
        place = self._target.pk
        for folder in reversed(way[: way.index(self._source)]):
            place = self._inner(place, folder)
        return place

    def _inner(self, place: UUID, folder: UUID) -> UUID:
        name = self._tree.name(folder)
        known = self._tree.child(place, name)
        if known is not None:
            return known
        row = ExecutionPackage.objects.create(
            pk=uuid5(self._run_id, f"folder {folder}"),
            account_id=self._target.account_id,
            project_id=self._target.project_id,
            parent_id=place,
            name=name,
        )
        documents.index(ExecutionPackage, [row.pk])
        self._tree.add(row.pk, place, name)
        return row.pk
