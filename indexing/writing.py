"""
How documents and relationships come into the index and go from it.

All writers of one document go one after the other: on SQLite because there is one writer, on
PostgreSQL because whoever writes locks the document's row before it reads the entity. So what is
stored last is what was read last. A rebuild leaves alone what somebody else holds or has just made:
writes that happen meanwhile win.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet

from indexing import backends
from indexing.models import Document, Relationship
from indexing.rows import Documents, expression, raw, raw_ids, read_documents, read_relationships
from indexing.sources import DocumentSource, Path, get

#: Ids that one statement names at most.
_CHUNK = 500

#: A page of entities by id: `(after, up to and with]`, as the driver has ids; None: from the start.
Window = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rebuild is about: an account, or one project of it."""

    account_id: UUID
    project_id: UUID | None = None

    def entities(self, source: DocumentSource) -> QuerySet[Any]:
        """Return the entities of a source that are in this scope."""
        entities = _where(source.queryset(), source.account, self.account_id)
        if self.project_id is None:
            return entities
        if source.project is None:
            return entities.none()
        return _where(entities, source.project, self.project_id)

    def documents(self, source: DocumentSource) -> QuerySet[Document]:
        """Return the documents of a source that are in this scope."""
        documents = Document.objects.filter(account=self.account_id, entity_type=source.entity_type)
        return (
            documents if self.project_id is None else documents.filter(project_id=self.project_id)
        )


def _where(entities: QuerySet[Any], path: Path, value: UUID) -> QuerySet[Any]:
    found: QuerySet[Any] = (
        entities.filter(**{path: value})
        if isinstance(path, str)
        else entities.alias(_at=path).filter(_at=value)
    )
    return found


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
    ordered = sorted(ids)
    with transaction.atomic():
        for start in range(0, len(ordered), _CHUNK):
            chunk = ordered[start : start + _CHUNK]
            _lock(Document.objects.filter(entity_type=source.entity_type, entity_id__in=chunk))
            entities = source.queryset().filter(pk__in=chunk)
            _store(source, entities)
            found = set(entities.values_list("pk", flat=True))
            _drop(source, [each for each in chunk if each not in found])


def index_batches(what: type[Model] | str, **lookup: Any) -> Iterator[int]:
    """
    Index many entities, each batch in a short transaction of its own.

    Args:
        what: The entities' model or entity type.
        lookup: Which of them: `run_id=run.pk`.

    Yields:
        How many entities the batch had, after it was stored.
    """
    source = get(what)
    entities = source.queryset().filter(**lookup)
    for window, count in _windows(entities):
        with transaction.atomic():
            _lock(_within(source, window))
            _store(source, _in_window(entities, window))
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
    while ids := list(documents.order_by("entity_id").values_list("entity_id", flat=True)[:_CHUNK]):
        with transaction.atomic():
            _drop(source, ids)
        yield len(ids)


def _lock(documents: QuerySet[Document]) -> None:
    """Wait for whoever writes these documents; SQLite has one writer anyway."""
    if connection.features.has_select_for_update:
        list(documents.order_by("entity_id").select_for_update().values_list("pk"))


def _store(source: DocumentSource, entities: QuerySet[Any]) -> None:
    documents = read_documents(source, entities)
    if documents is not None:
        backends.current().write(documents, overwrite=True)
        _relate(source, entities, documents.ids)


def _relate(source: DocumentSource, entities: QuerySet[Any], ids: Sequence[Any]) -> int:
    """Make the relationships that start at these entities what the database says; return how many."""
    if not source.relationships:
        return 0
    among = set(ids)
    wanted = {each for each in read_relationships(source, entities) if each[2] in among}
    stored: dict[Any, Any] = {}
    for start in range(0, len(ids), _CHUNK):
        starting = Relationship.objects.filter(source_id__in=ids[start : start + _CHUNK])
        paths = ["pk", "account_id", "type", "source_id", "destination_id"]
        stored |= {tuple(key): pk for pk, *key in raw(starting, paths)}
    stale = [pk for key, pk in stored.items() if key not in wanted]
    for start in range(0, len(stale), _CHUNK):
        Relationship.objects.filter(pk__in=stale[start : start + _CHUNK]).delete()
    backends.current().relate(sorted(wanted - stored.keys()))
    return len(wanted)


def _drop(source: DocumentSource, ids: Sequence[UUID]) -> int:
    if not ids:
        return 0
    documents = Document.objects.filter(entity_type=source.entity_type, entity_id__in=ids)
    gone, _ = documents.delete()
    Relationship.objects.filter(Q(source_id__in=ids) | Q(destination_id__in=ids)).delete()
    return gone


# --- what a rebuild does, a window at a time -----------------------------------------------------


def _windows(entities: QuerySet[Any], after: Any = None) -> Iterator[tuple[Window, int]]:
    """Yield windows over all entities by id, with the number of entities when it was looked."""
    while True:
        page = raw_ids(_in_window(entities, (after, None)), backends.current().BATCH)
        if not page:
            return
        yield (after, page[-1]), len(page)
        after = page[-1]


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
    entities = scope.entities(source)
    for window, count in _windows(entities, after):
        with transaction.atomic():
            held = _hold(_within(source, window))
            documents = read_documents(source, _in_window(entities, window))
            if documents is not None:
                _write(documents, held)
        yield window[1], count


def _write(documents: Documents, held: set[Any] | None) -> None:
    """Overwrite what we hold; add what nobody has made meanwhile."""
    write = backends.current().write
    if held is None:
        write(documents, overwrite=True)
        return
    for part, overwrite in ((documents.among(held), True), (documents.not_among(held), False)):
        if part.ids:
            write(part, overwrite=overwrite)


def rebuild_relationships(
    source: DocumentSource, scope: Scope, after: Any = None
) -> Iterator[tuple[Any, int]]:
    """Make the relationships of all entities in the scope right; like `rebuild_documents`."""
    entities = scope.entities(source)
    for window, _ in _windows(entities, after):
        with transaction.atomic():
            held = _hold(_within(source, window))
            inside = _in_window(entities, window)
            ids = raw_ids(inside)
            count = _relate(source, inside, ids if held is None else [i for i in ids if i in held])
        yield window[1], count


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
    documents = scope.documents(source).order_by("entity_id")
    entities = source.queryset()
    after = None
    while True:
        page = documents if after is None else documents.filter(entity_id__gt=after)
        ids = list(page.values_list("entity_id", flat=True)[:_CHUNK])
        if not ids:
            return
        there = set(entities.filter(pk__in=ids).values_list("pk", flat=True))
        yield _drop_gone(source, [each for each in ids if each not in there])
        after = ids[-1]


def _drop_gone(source: DocumentSource, ids: Sequence[UUID]) -> int:
    """Drop these documents; look again first, for one may have been made since."""
    if not ids:
        return 0
    with transaction.atomic():
        _lock(Document.objects.filter(entity_type=source.entity_type, entity_id__in=ids))
        there = set(source.queryset().filter(pk__in=ids).values_list("pk", flat=True))
        return _drop(source, [each for each in ids if each not in there])


def _hold(documents: QuerySet[Document]) -> set[Any] | None:
    """
    Lock the documents that nobody else holds, without waiting; None: all are ours.

    Returns:
        The ids of their entities.
    """
    if not connection.features.has_select_for_update:
        return None
    ours = documents.select_for_update(skip_locked=True)
    return set(ours.values_list("entity_id", flat=True))


def _in_window(entities: QuerySet[Any], window: Window) -> QuerySet[Any]:
    after, up_to = window
    if after is not None:
        entities = entities.filter(pk__gt=after)
    return entities if up_to is None else entities.filter(pk__lte=up_to)


def _within(source: DocumentSource, window: Window) -> QuerySet[Document]:
    after, up_to = window
    documents = Document.objects.filter(entity_type=source.entity_type, entity_id__lte=up_to)
    return documents if after is None else documents.filter(entity_id__gt=after)
