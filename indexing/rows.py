"""
From a source's entities to what is stored of them, a column at a time.

This is the hot path of every rebuild: rows come as the database driver gives them, no model
instances and no converters in between, and each column is worked on as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Left

from indexing.sources import DocumentSource, Field, Kind, Path
from indexing.words import fold_all, split_all

#: Characters of each text that are indexed; a stack trace's first page says what it is about.
MAX_TEXT = 8_000

Column = Sequence[Any]
#: Account, type, id of the source, id of the destination; values as the driver has them.
Relationship = tuple[Any, str, Any, Any]


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of one entity type, as columns of equal length, by id; values as the driver has them."""

    entity_type: str
    ids: Column
    accounts: Column
    projects: Column
    names: Sequence[str]
    name_keys: Sequence[str]
    moments: Column
    #: JSON text.
    fields: Sequence[str]
    name_words: Sequence[str]
    text_words: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, ids: Container[Any]) -> Documents:
        """Return those whose id is among `ids`."""
        return self._chosen([each in ids for each in self.ids])

    def not_among(self, ids: Container[Any]) -> Documents:
        """Return those whose id is not among `ids`."""
        return self._chosen([each not in ids for each in self.ids])

    def _chosen(self, mask: list[bool]) -> Documents:
        if all(mask):
            return self
        columns: dict[str, Any] = {
            field.name: list(compress(getattr(self, field.name), mask))
            for field in dataclasses.fields(self)[1:]
        }
        return dataclasses.replace(self, **columns)


def read_documents(source: DocumentSource, entities: QuerySet[Any]) -> Documents | None:
    """Return the documents of these entities, by id; None when there are none."""
    paths = [
        "pk",
        source.account,
        _or_null(source.project),
        source.name,
        _or_null(source.updated_at),
        *(field.path for field in source.fields.values()),
        *(Left(expression(path), MAX_TEXT, output_field=TextField()) for path in source.texts),
    ]
    rows = raw(entities, paths)
    if not rows:
        return None
    ids, accounts, projects, named, moments, *others = zip(*rows, strict=True)
    names = [name or "" for name in named]
    return Documents(
        entity_type=source.entity_type,
        ids=ids,
        accounts=accounts,
        projects=projects,
        names=names,
        name_keys=fold_all(names),
        moments=moments,
        fields=_fields(source, others[: len(source.fields)], len(rows)),
        name_words=split_all(names),
        text_words=_text_words(others[len(source.fields) :], len(rows)),
    )


def read_relationships(source: DocumentSource, entities: QuerySet[Any]) -> list[Relationship]:
    """Return the direct relationships that start at these entities."""
    return [
        (account, relation.type, entity, other)
        for relation in source.relationships
        for entity, account, other in raw(entities, ["pk", source.account, relation.path])
        if other is not None
    ]


def raw_ids(entities: QuerySet[Any], limit: int | None = None) -> list[Any]:
    """Return the entities' ids in order, as the driver has them."""
    return [row for (row,) in raw(entities, ["pk"], limit)]


def raw(
    entities: QuerySet[Any], paths: Sequence[Path], limit: int | None = None
) -> list[tuple[Any, ...]]:
    """Return rows by id, as the driver gives them: Django's converters cost more than the rest."""
    query = entities.order_by("pk").values_list(*map(expression, paths))[:limit].query
    sql, params = query.get_compiler(connection=connection).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def expression(path: Path) -> Any:
    """Return a path as an expression."""
    return F(path) if isinstance(path, str) else path


def _or_null(path: Path | None) -> Path:
    return Value(None, output_field=TextField()) if path is None else path


def _fields(source: DocumentSource, columns: Sequence[Column], length: int) -> Sequence[str]:
    """Return each document's fields as JSON: a template, filled with encoded values."""
    if not source.fields:
        return ["{}"] * length
    names = (encode_basestring(name.lower()).replace("%", "%%") for name in source.fields)
    template = "{" + ", ".join(f"{name}: %s" for name in names) + "}"
    encoded = [
        _encoded(field, column)
        for field, column in zip(source.fields.values(), columns, strict=True)
    ]
    return [template % values for values in zip(*encoded, strict=True)]


def _encoded(field: Field, column: Column) -> list[str]:
    """Encode each distinct value once: most fields have few."""
    distinct = [value for value in set(column) if value is not None]
    known: dict[Any, str] = dict(
        zip(distinct, map(encode_basestring, _TEXT_OF[field.kind](distinct)), strict=True)
    )
    known[None] = "null"
    return [known[value] for value in column]


def _texts_of(values: Sequence[Any]) -> Sequence[str]:
    return fold_all([str(value) for value in values])


def _references_of(values: Sequence[Any]) -> Sequence[str]:
    return [value.hex if isinstance(value, UUID) else str(value).lower() for value in values]


def moment_text(value: datetime | str) -> str:
    """Return a moment in UTC so that texts compare as moments do; SQLite has it nearly so."""
    if isinstance(value, str):
        return value.replace(" ", "T")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat()


def _moments_of(values: Sequence[Any]) -> Sequence[str]:
    return [moment_text(value) for value in values]


def _numbers_of(values: Sequence[Any]) -> Sequence[str]:
    return [str(value) for value in values]


def _flags_of(values: Sequence[Any]) -> Sequence[str]:
    return ["true" if value else "false" for value in values]


_TEXT_OF: dict[Kind, Callable[[Sequence[Any]], Sequence[str]]] = {
    Kind.TEXT: _texts_of,
    Kind.REFERENCE: _references_of,
    Kind.MOMENT: _moments_of,
    Kind.NUMBER: _numbers_of,
    Kind.FLAG: _flags_of,
}


def _text_words(columns: Sequence[Column], length: int) -> Sequence[str]:
    if not columns:
        return [""] * length
    return split_all([" ".join(filter(None, texts)) for texts in zip(*columns, strict=True)])
