"""
Copying and moving: a batch of entities into a package.

Copies have ids that follow from the run and from what they are copies of. Results stay where they
are: what is copied has not been run. A package takes everything with it that is in it, but for the
automated tests that name it, which are not its contents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from django.db.models import Max

from backgroundtasks import clock
from indexing import documents
from tickets import numbering
from tickets.bulk import kinds, selection
from tickets.bulk.folders import DEEPEST, Folders, Tree
from tickets.bulk.kinds import KINDS, PACKAGE, Kind
from tickets.models import (
    AgileRun,
    AgileRunStep,
    AutomatedTest,
    AutomatedTestAssignment,
    ExecutionPackage,
    Script,
    ScriptAssignment,
)
from tickets.models.outcome import NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import Model

    from tickets.bulk.selection import Entity

#: What is in a package, and goes with it.
_CONTENTS: Final = (AutomatedTestAssignment, ScriptAssignment, AgileRun)
#: May be copied into another project; all else names words or tests of its own.
_TRAVELS: Final = (AutomatedTest, Script)
_PER_QUERY: Final = 500

MISSING: Final = "do not exist"
FOREIGN: Final = "are of another project"
INSIDE: Final = "cannot be put into themselves"
TOO_DEEP: Final = f"would be nested more than {DEEPEST} deep"


class Placing:
    """Where a run puts what it copies or moves."""

    def __init__(
        self,
        target: ExecutionPackage,
        *,
        run_id: UUID,
        source: ExecutionPackage | None,
        moves: bool,
    ) -> None:
        """
        Take the target.

        Args:
            target: A package.
            run_id: Of the background run.
            source: The root of the folders that are made again in the target; None: none are.
            moves: What is placed keeps its id, and its project with it.
        """
        self._target = target
        self._moves = moves
        self._run_id = run_id
        self._tree = Tree(target.project_id)
        self._folders = Folders(
            self._tree,
            target,
            source=source.pk if source is not None else None,
            run_id=run_id,
        )
        #: Packages of this action's own selection; what is in one goes with it.
        self._copied: set[UUID] = set()

    def outermost(self, entities: Sequence[Entity]) -> list[Entity]:
        """Return entities without those that are in a package which is among them."""
        name = kinds.name_of(PACKAGE)
        packages = {identity for kind, identity in entities if kind == name}
        if not packages:
            return list(entities)
        inner: set[UUID] = set()
        for kind, ids in selection.by_kind(entities):
            if not kind.package:
                continue
            for chunk in _chunks(ids):
                rows = kind.model._default_manager.filter(pk__in=chunk)  # noqa: SLF001 - public
                inner.update(
                    identity
                    for identity, place in rows.values_list("pk", f"{kind.package}_id")
                    if kind.model in {*_CONTENTS, ExecutionPackage}
                    and self._tree.is_in(place, packages)
                )
        return [one for one in entities if one[1] not in inner]

    def expanded(self, entities: Sequence[Entity]) -> list[Entity]:
        """Return what copying means: packages from the outside, then all else, with their contents."""
        name = kinds.name_of(PACKAGE)
        packages = self._tree.below(identity for kind, identity in entities if kind == name)
        lost = [one for one in entities if one[0] == name and one[1] not in set(packages)]
        contents: list[Entity] = []
        for model in _CONTENTS:
            for chunk in _chunks(packages):
                rows = model._default_manager.filter(package__in=chunk).order_by("created_at", "pk")  # noqa: SLF001 - public
                contents += [
                    (kinds.name_of(KINDS[model]), pk) for pk in rows.values_list("pk", flat=True)
                ]
        others = [one for one in entities if one[0] != name]
        return [*((name, identity) for identity in packages), *lost, *contents, *others]

    def know(self, entities: Iterable[Entity]) -> None:
        """Know which packages are copied: their contents go into the copies."""
        name = kinds.name_of(PACKAGE)
        self._copied = {identity for kind, identity in entities if kind == name}

    def copy(self, kind: Kind, ids: Sequence[UUID]) -> Counter[str]:
        """Copy entities of one kind, in the caller's transaction; return why some were not."""
        rows, failed = self._rows(kind, ids)
        copies: list[Any] = []
        sources: list[Any] = []
        for row in rows:
            problem = self._refused(kind, row)
            if problem:
                failed[problem] += 1
                continue
            place = self._place_of_copy(kind, row) if kind.package else None
            depth = len(self._tree.way(place))
            # Nowhere: the package that it was to go into could not be copied.
            if kind.package and (not depth or (kind is PACKAGE and depth >= DEEPEST)):
                failed[TOO_DEEP] += 1
                continue
            copies.append(self._copy(kind, row, place))
            sources.append(row.pk)
            if kind is PACKAGE:
                self._tree.add(copies[-1].pk, place, row.name)
        if kind.model is AgileRun:
            self._number(copies)
        kind.model._default_manager.bulk_create(copies, batch_size=_PER_QUERY)  # noqa: SLF001 - public
        if kind.model is AgileRun:
            self._copy_steps(sources)
        _index(kind, [row.pk for row in copies])
        return failed

    def move(self, kind: Kind, ids: Sequence[UUID]) -> Counter[str]:
        """Move entities of one kind, in the caller's transaction; return why some were not."""
        rows, failed = self._rows(kind, ids)
        places: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for row in rows:
            problem = self._refused(kind, row) or self._immovable(kind, row)
            if problem:
                failed[problem] += 1
                continue
            place = self._folders.for_package(_package_of(kind, row))
            if kind is PACKAGE:
                if place == row.pk or self._tree.is_in(place, {row.pk}):
                    failed[INSIDE] += 1
                    continue
                self._tree.move(row.pk, place)
            places[place].append(row.pk)
        for place, moved in places.items():
            there = kind.model._default_manager.filter(pk__in=moved)  # noqa: SLF001 - public
            there.update(**{f"{kind.package}_id": place, "updated_at": clock.now()})
            _index(kind, moved)
        return failed

    def _rows(self, kind: Kind, ids: Sequence[UUID]) -> tuple[list[Any], Counter[str]]:
        """Return the entities that are there, in their order, with their project; count the others."""
        found = {
            row.pk: row
            for row in kind.visible(self._target.account_id)
            .filter(pk__in=ids)
            .select_related(*_PARENTS.get(kind.model, (None,)))
        }
        missing = len(ids) - len(found)
        failed = Counter({MISSING: missing}) if missing else Counter()
        return [found[one] for one in ids if one in found], failed

    def _refused(self, kind: Kind, row: Any) -> str:
        """Return why an entity cannot be placed there; empty when it can."""
        if kind.model in _TRAVELS and not self._moves:
            return ""
        return "" if _project_of(row) == self._target.project_id else FOREIGN

    def _immovable(self, kind: Kind, row: Any) -> str:
        if kind is not PACKAGE:
            return ""
        if row.pk == self._target.pk or self._tree.is_in(self._target.pk, {row.pk}):
            return INSIDE
        depth = len(self._tree.way(self._target.pk)) + self._tree.height(row.pk)
        return TOO_DEEP if depth > DEEPEST else ""

    def _place_of_copy(self, kind: Kind, row: Any) -> UUID:
        package = _package_of(kind, row)
        if kind.model in {*_CONTENTS, ExecutionPackage} and package in self._copied:
            return self._id(package)
        return self._folders.for_package(package)

    def _id(self, original: UUID) -> UUID:
        return uuid5(self._run_id, original.hex)

    def _copy(self, kind: Kind, row: Any, place: UUID | None) -> Any:
        now = clock.now()
        values = {
            field.attname: getattr(row, field.attname)
            for field in kind.model._meta.concrete_fields  # noqa: SLF001 - documented API
        }
        values |= {"id": self._id(row.pk), "created_at": now, "updated_at": now}
        if "project_id" in values:
            values["project_id"] = self._target.project_id
        if kind.package:
            values[f"{kind.package}_id"] = place
        if kind.model is AgileRun:
            values |= {"execution_status": NOT_RUN, "actual_duration": None}
        beside = _package_of(kind, row) == place if kind.package else True
        if "name" in values and beside and _project_of(row) == self._target.project_id:
            values["name"] = f"Copy of {row.name}"[:255]
        return kind.model(**values)

    def _number(self, copies: Iterable[AgileRun]) -> None:
        numbering.hold_project(self._target.project_id)
        there = AgileRun.objects.filter(project_id=self._target.project_id)
        highest = there.aggregate(highest=Max("number"))["highest"] or 0
        for number, row in enumerate(copies, highest + 1):
            row.number = number

    def _copy_steps(self, runs: Sequence[UUID]) -> None:
        steps = AgileRunStep.objects.filter(run__in=runs).order_by("run_id", "position")
        AgileRunStep.objects.bulk_create(
            (
                AgileRunStep(
                    id=self._id(step.pk),
                    run_id=self._id(step.run_id),
                    position=step.position,
                    description=step.description,
                    data=step.data,
                    notes=step.notes,
                    expected_result=step.expected_result,
                )
                for step in steps
            ),
            batch_size=_PER_QUERY,
        )


#: What the project of a row is found by.
_PARENTS: Final[dict[type[Model], tuple[str, ...]]] = {
    AutomatedTestAssignment: ("automated_test",),
    ScriptAssignment: ("script",),
}


def _index(kind: Kind, ids: Sequence[UUID]) -> None:
    if documents.knows(kind.model):
        documents.index(kind.model, ids)


def _project_of(row: Any) -> UUID:
    """Return the id of the project that a row is in."""
    for parent in _PARENTS.get(type(row), ()):
        row = getattr(row, parent)
    found: UUID = row.project_id
    return found


def _package_of(kind: Kind, row: Any) -> UUID | None:
    found: UUID | None = getattr(row, f"{kind.package}_id")
    return found


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), _PER_QUERY):
        yield ids[start : start + _PER_QUERY]
