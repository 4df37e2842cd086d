"""
How documents and relationships come into the index and go from it.

All writers of one document go one after the other: on SQLite because there is one writer, on
PostgreSQL because whoever writes locks the document's row before it reads the entity. So what is
stored last is what was read last. A rebuild leaves alone what somebody else holds or has just made:
writes that happen meanwhile win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Model, Q, QuerySet
from django.db.models import Window as Numbered
from django.db.models.functions import RowNumber

from backgroundtasks import kept
from indexing import backends, rows
from indexing.models import Document, Relationship
from indexing.rows import (
    Among,
    DocumentRows,
    Documents,
    Unindexed,
    Window,
    Windowed,
    bare,
    between,
    document_paths,
    documents_of,
    expression,
    raw,
    raw_ids,
    relationship_paths,
    relationships_of,
)
from indexing.sources import DocumentSource, Path, get

#: Ids that one statement names at most.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rebuild is about: an account, or one project of it."""

    account_id: UUID
    project_id: UUID | None = None
    _windows: dict[str, list[Window]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def entities(self, source: DocumentSource) -> QuerySet[Any]:
        """Return the entities of a source that are in this scope."""
        if self.project_id is not None and source.project is None:
            return source.queryset().none()
        return _chosen(source, self._lookup(source))

    def entities_by_id(self, source: DocumentSource) -> QuerySet[Any]:
        """Return them for reading window by window."""
        if self.project_id is not None and source.project is None:
            return source.queryset().none()
        return _chosen(source, self._lookup(source), wrap=Unindexed)

    def windows(self, source: DocumentSource) -> list[Window]:
        """Return windows over them; made once, and every phase of a rebuild goes by them."""
        if source.entity_type not in self._windows:
            self._windows[source.entity_type] = windows(self.entities(source))
        return self._windows[source.entity_type]

    def _lookup(self, source: DocumentSource) -> dict[Path, Any]:
        lookup: dict[Path, Any] = {source.account: self.account_id}
        if self.project_id is not None and source.project is not None:
            lookup[source.project] = self.project_id
        return lookup

    def documents(self, source: DocumentSource) -> QuerySet[Document]:
        """Return the documents of a source that are in this scope."""
        documents = Document.objects.filter(account=self.account_id, entity_type=source.entity_type)
        return (
            documents if self.project_id is None else documents.filter(project_id=self.project_id)
        )


def _chosen(
    source: DocumentSource,
    lookup: Mapping[Path, Any],
    wrap: Callable[[Any], Any] = lambda given: given,
) -> QuerySet[Any]:
    entities = source.queryset()
    for number, (path, value) in enumerate(lookup.items()):
        name = f"chosen_{number}"
        entities = entities.alias(**{name: wrap(expression(path))}).filter(**{name: value})
    return entities


# --- what an app calls when it wrote -------------------------------------------------------------


def index(what: type[Model] | str, ids: Iterable[UUID]) -> None:
    """
    Make the index agree with the database about these entities: store what may be found, drop the rest.

    In the transaction that wrote them, so that both are seen together or not at all.

    Args:
        what: The entities' model or entity type.
        ids: Their primary keys, a few thousand at most; for more there is `index_batches`.
    """
    source = get(what)
    read = _reads_by_id(source)
    ordered = sorted(ids)
    with transaction.atomic():
        for start in range(0, len(ordered), _CHUNK):
            chunk = ordered[start : start + _CHUNK]
            value = Among.value(chunk)
            read.lock(value)
            documents = read.documents(value)
            _write_all(source, documents)
            if documents and source.relationships:
                related = (relation(value) for relation in read.relations)
                declared = map(relationships_of, source.relationships, related)
                _relate(read.starting(value), declared)
            found = {UUID(identity) for identity, *_ in documents}
            _drop(source, [each for each in chunk if each not in found])


_Read = kept.Query[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _ReadsById:
    """What is asked about entities of a source of which an app said that they changed."""

    lock: _Read
    documents: _Read
    #: By declaration.
    relations: Sequence[_Read]
    starting: _Read


@cache
def _reads_by_id(source: DocumentSource) -> _ReadsById:
    def entities(ids: Any) -> QuerySet[Any]:
        return source.queryset().filter(Among("pk", ids)).order_by("pk")

    def reads(paths: Sequence[Path]) -> _Read:
        return kept.query(lambda ids: bare(entities(ids), paths))

    @kept.query
    def lock(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
        rows = Document.objects.filter(Among("entity_id", ids), entity_type=source.entity_type)
        return rows.order_by("entity_id").select_for_update().values_list("pk")

    @kept.query
    def starting(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
        return bare(Relationship.objects.filter(Among("source_id", ids)), _STORED_PATHS)

    return _ReadsById(
        lock,
        reads(document_paths(source)),
        [reads(relationship_paths(source, each)) for each in source.relationships],
        starting,
    )


def relate(what: type[Model] | str, relationships: Iterable[tuple[UUID, UUID, str, UUID]]) -> None:
    """
    Add relationships of entities that are in the index; those that are there already stay.

    What `index` would find, too, in one statement each, however many the entities have.

    Args:
        what: The entities' model or entity type.
        relationships: The account of each, the entity's id, the type, one that the entities' source
            declares, and the other's id.

    Raises:
        ValueError: the source declares no such relationship.
    """
    declared = {each.type for each in get(what).relationships}
    new = []
    for account_id, entity_id, kind, other_id in relationships:
        if kind not in declared:
            raise ValueError(kind)
        new.append(
            Relationship(
                account_id=account_id, type=kind, source_id=entity_id, destination_id=other_id
            )
        )
    kept.insert_each_once(new)


def index_batches(what: type[Model] | str, **lookup: Any) -> Iterator[int]:
    """
    Index many entities, each batch in a short transaction of its own.

    Args:
        what: The entities' model or entity type.
        lookup: Which of them, by equal values: `run_id=run.pk`.

    Yields:
        How many entities the batch had, after it was stored.
    """
    source = get(what)
    chosen: dict[Path, Any] = {path: value for path, value in lookup.items()}  # noqa: C416 - widens the type of its keys
    entities = _chosen(source, chosen, wrap=Unindexed)
    read = DocumentRows(source, lambda window: _in_window(entities, window))

    def take(window: Window) -> tuple[Any, int]:
        _lock(_within(source, window))
        rows, reached = read(window, backends.current().CHARACTERS)
        _store(source, rows, _in_window(entities, (window[0], reached)))
        return reached, len(rows)

    for _, count in _batches(windows(_chosen(source, chosen)), take):
        yield count


def remove(what: type[Model] | str, ids: Iterable[UUID]) -> None:
    """Drop the documents of entities that were deleted, and all their relationships."""
    source = get(what)
    ordered = sorted(ids)
    with transaction.atomic():
        for start in range(0, len(ordered), _CHUNK):
            _drop(source, ordered[start : start + _CHUNK])


def remove_batches(what: type[Model] | str, **lookup: Any) -> Iterator[int]:
    """
    Drop many documents, each batch in a short transaction of its own.

    Args:
        what: The entities' model or entity type.
        lookup: Which of their documents: `project_id=…`.

    Yields:
        How many documents the batch had.
    """
    source = get(what)
    documents = Document.objects.filter(entity_type=source.entity_type, **lookup)
    # In no order: asked for one, SQLite would walk all documents of the type.
    while ids := list(documents.values_list("entity_id", flat=True)[:_CHUNK]):
        with transaction.atomic():
            _drop(source, sorted(ids))
        yield len(ids)


def _lock(documents: QuerySet[Document]) -> None:
    """Wait for whoever writes these documents; SQLite has one writer anyway."""
    if connection.features.has_select_for_update:
        list(documents.order_by("entity_id").select_for_update().values_list("pk"))


def _store(
    source: DocumentSource, documents: Sequence[tuple[Any, ...]], entities: QuerySet[Any]
) -> None:
    _write_all(source, documents)
    if documents and source.relationships:
        starting = raw(_starting_at(entities), _STORED_PATHS)
        read = (raw(entities, relationship_paths(source, each)) for each in source.relationships)
        _relate(starting, map(relationships_of, source.relationships, read))


_STORED_PATHS = ("pk", "account_id", "type", "source_id", "destination_id")


def _starting_at(entities: QuerySet[Any]) -> QuerySet[Relationship]:
    return Relationship.objects.filter(source_id__in=entities.order_by().values("pk"))


def _relate(
    starting: Sequence[tuple[Any, ...]],
    declared: Iterable[set[rows.Relationship]],
    held: set[Any] | None = None,
) -> int:
    """
    Make the stored relationships what the database says.

    Args:
        starting: Those stored that start at the entities, as `_STORED_PATHS`.
        declared: What the database says, by declaration.
        held: Only those that start at these ids; None: all.

    Returns:
        How many there are.
    """
    stored = {tuple(key): pk for pk, *key in starting}
    wanted = set().union(*declared)
    if held is not None:
        stored = {key: pk for key, pk in stored.items() if key[2] in held}
        wanted = {key for key in wanted if key[2] in held}
    stale = [pk for key, pk in stored.items() if key not in wanted]
    for start in range(0, len(stale), _CHUNK):
        Relationship.objects.filter(pk__in=stale[start : start + _CHUNK]).delete()
    backends.current().relate([key for key in wanted if key not in stored])
    return len(wanted)


def _drop(source: DocumentSource, ids: Sequence[Any]) -> int:
    if not ids:
        return 0
    documents = Document.objects.filter(entity_type=source.entity_type, entity_id__in=ids)
    gone, _ = documents.delete()
    Relationship.objects.filter(Q(source_id__in=ids) | Q(destination_id__in=ids)).delete()
    return gone


# --- what a rebuild does, a window at a time -----------------------------------------------------


def windows(entities: QuerySet[Any]) -> list[Window]:
    """Return windows over the entities by id, up to the last one that there is now."""
    last = raw(entities, ["pk"], 1, descending=True)
    if not last:
        return []
    size = backends.current().BATCH
    numbered = entities.annotate(place=Numbered(RowNumber(), order_by=F("pk").asc()))
    ends = raw_ids(numbered.annotate(rest=F("place") % size).filter(rest=0))
    if not ends or ends[-1] != last[0][0]:
        ends.append(last[0][0])
    return list(zip([None, *ends], ends, strict=False))


def _left(spans: Iterable[Window], after: Any) -> Iterator[Window]:
    """Yield what is left of windows behind an id; None: all. Texts of ids compare as ids do."""
    for begin, end in spans:
        if after is None or (begin is not None and begin >= after):
            yield begin, end
        elif end > after:
            yield after, end


def _batches(
    spans: Iterable[Window], take: Callable[[Window], tuple[Any, int]]
) -> Iterator[tuple[Any, int]]:
    """
    Work through windows, in one transaction or more each.

    Args:
        spans: The windows.
        take: Works on a window's beginning; returns the id it came to, and how many it did.

    Yields:
        What `take` returns, after its transaction.
    """
    for reached, end in spans:
        while reached != end:
            with transaction.atomic():
                reached, count = take((reached, end))  # noqa: PLW2901 - it goes on from there
            yield reached, count


def rebuild_documents(
    source: DocumentSource, scope: Scope, after: Any = None
) -> Iterator[tuple[Any, int]]:
    """
    Store the documents of all entities in the scope again.

    Args:
        source: Whose entities.
        scope: Which of them.
        after: Where an earlier attempt stopped.

    Yields:
        `(id up to which all is stored, number of entities)` after each batch's transaction.
    """
    entities = scope.entities_by_id(source)
    read = DocumentRows(source, lambda window: _in_window(entities, window))
    hold = _Hold(source)

    def take(window: Window) -> tuple[Any, int]:
        held = hold(window)
        rows, reached = read(window, backends.current().CHARACTERS)
        _write_all(source, rows, held)
        return reached, len(rows)

    yield from _batches(_left(scope.windows(source), after), take)


def _write_all(
    source: DocumentSource, rows: Sequence[tuple[Any, ...]], held: _Held | None = None
) -> None:
    """Store documents, from rows of `document_paths`; the next are made while some are stored."""
    backend = backends.current()
    with backend.ahead():
        for start in range(0, len(rows), backend.PART):
            _write(documents_of(source, rows[start : start + backend.PART]), held)


def _write(documents: Documents, held: _Held | None) -> None:
    """Overwrite what we hold; add what is not there; leave alone what somebody else writes."""
    write = backends.current().write
    if held is None:
        write(documents, overwrite=True)
        return
    if (ours := documents.among(held.ours)).ids:
        write(ours, overwrite=True)
    if (new := documents.not_among(held.ours | held.theirs)).ids:
        write(new, overwrite=False)


def rebuild_relationships(
    source: DocumentSource, scope: Scope, after: Any = None
) -> Iterator[tuple[Any, int]]:
    """Make the relationships of all entities in the scope right; like `rebuild_documents`."""
    if not source.relationships:
        return
    entities = scope.entities_by_id(source)
    read_stored = Windowed(lambda window: _starting_at(_in_window(entities, window)), _STORED_PATHS)
    readers = [
        Windowed(lambda window: _in_window(entities, window), relationship_paths(source, each))
        for each in source.relationships
    ]
    hold = _Hold(source)

    def take(window: Window) -> tuple[Any, int]:
        held = hold(window)
        read = (reader(window) for reader in readers)
        declared = map(relationships_of, source.relationships, read)
        ours = None if held is None else held.ours
        return window[1], _relate(read_stored(window), declared, ours)

    yield from _batches(_left(scope.windows(source), after), take)


def count_relationships(source: DocumentSource, scope: Scope) -> int:
    """Return how many relationships start at the entities in the scope."""
    entities = scope.entities(source)
    paths = (expression(relation.path) for relation in source.relationships)
    return sum(entities.alias(_to=path).filter(_to__isnull=False).count() for path in paths)


def sweep(source: DocumentSource, scope: Scope) -> Iterator[int]:
    """
    Drop the documents in the scope whose entity is gone.

    Yields:
        How many, after each batch.
    """
    documents, entities = scope.documents(source), source.queryset()

    def gone(window: Window) -> QuerySet[Document]:
        there = _in_window(entities, window).order_by().values("pk")
        return documents.filter(between("entity_id", window)).exclude(entity_id__in=there)

    read = Windowed(gone, ["entity_id"], _CHUNK)
    spans = scope.windows(source)
    for window in [*spans, (spans[-1][1] if spans else None, None)]:
        while ids := [each for (each,) in read(window)]:
            yield _drop_gone(source, ids)


def _drop_gone(source: DocumentSource, ids: Sequence[Any]) -> int:
    """Drop these documents; look again first, for one may have been made since."""
    with transaction.atomic():
        _lock(Document.objects.filter(entity_type=source.entity_type, entity_id__in=ids))
        there = set(raw_ids(source.queryset().filter(pk__in=ids)))
        return _drop(source, [each for each in ids if each not in there])


@dataclass(frozen=True, slots=True)
class _Held:
    """Entities whose documents we have locked, and those whose documents somebody else has."""

    ours: set[Any]
    theirs: set[Any]


class _Hold:
    """
    Locks the documents that nobody else holds, without waiting; None: all are ours.

    So a rebuild waits for no writer, and no two can wait for each other.
    """

    def __init__(self, source: DocumentSource) -> None:
        self._there = Windowed(lambda window: _within(source, window), ["entity_id"])
        self._free = Windowed(
            lambda window: _within(source, window).select_for_update(skip_locked=True),
            ["entity_id"],
        )

    def __call__(self, window: Window) -> _Held | None:
        if not connection.features.has_select_for_update:
            return None
        there = {each for (each,) in self._there(window)}
        if not there:
            return _Held(set(), set())
        ours = {each for (each,) in self._free(window)}
        return _Held(ours, there - ours)


def _in_window(entities: QuerySet[Any], window: Window) -> QuerySet[Any]:
    return entities.filter(between("pk", window))


def _within(source: DocumentSource, window: Window) -> QuerySet[Document]:
    documents = Document.objects.filter(entity_type=source.entity_type)
    return documents.filter(between("entity_id", window))
