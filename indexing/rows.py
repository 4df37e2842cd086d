"""
From a source's entities to what is stored of them, a column at a time.

This is the hot path of every rebuild: rows come as the database driver gives them, no model
instances and no converters in between, and each column is worked on as a whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Container, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Left
from django.db.models.sql.compiler import SQLCompiler

from indexing.sources import BETWEEN_TEXTS, DocumentSource, Field, Kind, Path, Relation, apart
from indexing.words import fold, fold_all, split_all

#: Characters of each text that are indexed; a stack trace's first page says what it is about.
MAX_TEXT = 8_000

#: Rows that are fetched at once where few may be enough.
_FETCHED = 100
#: Where the name stands in rows of `document_paths`.
_NAME = 3

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


class Unindexed(Func):
    """
    A column, so that SQLite uses no index on it.

    It prefers one on an equal value to one on a range, and would read a whole account for each
    window of it.
    """

    template = "%(expressions)s"

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return it with the sign that says so."""
        return super().as_sql(compiler, connection, template="+%(expressions)s", **extra)


class _Bare(Func):
    """A value of which the driver makes no object: that costs more than all the rest."""

    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return an expression: the driver knows the types of columns only."""
        return super().as_sql(compiler, connection, template="+%(expressions)s", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return text."""
        return super().as_sql(compiler, connection, template="(%(expressions)s)::text", **extra)


class Among(Func):
    """Whether a column is one of many ids that are one value: one statement for any number of them."""

    output_field = BooleanField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Take them as JSON."""
        joiner, template = " IN (SELECT value FROM json_each(", "%(expressions)s))"
        return super().as_sql(compiler, connection, template=template, arg_joiner=joiner, **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Take them as an array."""
        return super().as_sql(
            compiler, connection, template="%(expressions)s)", arg_joiner=" = ANY(", **extra
        )

    @staticmethod
    def value(ids: Sequence[UUID]) -> Any:
        """Return ids as that one value."""
        return [*ids] if connection.vendor == "postgresql" else json.dumps([one.hex for one in ids])


#: Ids after the first and up to the second, as the driver has them; None: no bound.
Window = tuple[Any, Any]


def between(column: str, window: Window) -> Q:
    """Return that a column of ids is in a window."""
    after, up_to = window
    low = Q() if after is None else Q((f"{column}__gt", after))
    return low if up_to is None else low & Q((f"{column}__lte", up_to))


def raw(
    entities: QuerySet[Any],
    paths: Sequence[Path],
    limit: int | None = None,
    *,
    descending: bool = False,
) -> list[tuple[Any, ...]]:
    """
    Return rows by id, without Django's converters.

    Values are what SQLite stores, and text on PostgreSQL; both go back in as they came.
    """
    return _fetch(*_compiled(entities.order_by("-pk" if descending else "pk"), paths, limit))


def raw_ids(entities: QuerySet[Any]) -> list[Any]:
    """Return the entities' ids in order, as the driver has them."""
    return [row for (row,) in raw(entities, ["pk"])]


class Windowed:
    """Rows as `raw` gives them, window by window, of a query that is put together only once."""

    def __init__(
        self,
        query: Callable[[Window], QuerySet[Any]],
        paths: Sequence[Path],
        limit: int | None = None,
    ) -> None:
        self._query, self._paths, self._limit = query, paths, limit
        self._bounds = uuid4(), uuid4()
        self._known: dict[tuple[bool, bool], tuple[str, list[Any]]] = {}

    def __call__(self, window: Window) -> list[tuple[Any, ...]]:
        """Return the rows of a window."""
        return _fetch(*self._statement(window))

    def parts(self, window: Window) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield them a few at a time, read no further than asked for; inside a transaction."""
        with connection.chunked_cursor() as cursor:
            cursor.execute(*self._statement(window))
            while rows := cursor.fetchmany(_FETCHED):
                yield rows

    def _statement(self, window: Window) -> tuple[str, list[Any]]:
        shape = window[0] is None, window[1] is None
        if shape not in self._known:
            stand_in = tuple(
                None if open_ else bound for open_, bound in zip(shape, self._bounds, strict=True)
            )
            entities = self._query((stand_in[0], stand_in[1]))
            self._known[shape] = _compiled(entities.order_by("pk"), self._paths, self._limit)
        sql, params = self._known[shape]
        values = dict(zip((bound.hex for bound in self._bounds), window, strict=True))
        return sql, [values.get(getattr(each, "hex", each), each) for each in params]


def _compiled(
    entities: QuerySet[Any], paths: Sequence[Path], limit: int | None
) -> tuple[str, list[Any]]:
    query = bare(entities, paths)[:limit].query
    sql, params = query.get_compiler(connection=connection).as_sql()
    return sql, list(params)


def bare(entities: QuerySet[Any], paths: Sequence[Path]) -> QuerySet[Any, tuple[Any, ...]]:
    """Return what reads paths of entities as `raw` gives them."""
    return entities.values_list(*(_Bare(expression(path)) for path in paths))


def _fetch(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def expression(path: Path) -> Any:
    """Return a path as an expression."""
    return F(path) if isinstance(path, str) else path


def _or_null(path: Path | None) -> Path:
    return Value(None, output_field=TextField()) if path is None else path


def document_paths(source: DocumentSource) -> list[Path]:
    """Return what `documents_of` takes of each entity."""
    return [
        "pk",
        source.account,
        _or_null(source.project),
        source.name,
        _or_null(source.updated_at),
        *(field.path for field in source.fields.values()),
        *(() if source.values is None else (source.values,)),
        *(Left(expression(path), MAX_TEXT, output_field=TextField()) for path in source.texts),
    ]


class DocumentRows:
    """Rows of `document_paths`, as many of a window as one transaction may write."""

    def __init__(self, source: DocumentSource, query: Callable[[Window], QuerySet[Any]]) -> None:
        paths = document_paths(source)
        self._read = Windowed(query, paths)
        # Values of a source's own are texts, too, and stand before the others.
        long = len(source.texts) + (source.values is not None)
        self._texts = (_NAME, *range(len(paths) - long, len(paths)))
        self._has_texts = bool(long)

    def __call__(self, window: Window, characters: int) -> tuple[list[tuple[Any, ...]], Any]:
        """Return rows of at most so many characters, but one at least; and the id they reach."""
        if not self._has_texts:  # names alone are short: all fit, so they come at once
            return self._read(window), window[1]
        rows: list[tuple[Any, ...]] = []
        with closing(self._read.parts(window)) as parts:
            for part in parts:
                characters -= self._size(part)
                rows += part
                if characters < 0:
                    return self._shortened(rows, -characters)
        return rows, window[1]

    def _shortened(
        self, rows: list[tuple[Any, ...]], excess: int
    ) -> tuple[list[tuple[Any, ...]], Any]:
        while excess > 0 and len(rows) > 1:
            excess -= self._size([rows.pop()])
        return rows, rows[-1][0]

    def _size(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return sum(len(row[place]) for row in rows for place in self._texts if row[place])


def documents_of(source: DocumentSource, rows: Sequence[tuple[Any, ...]]) -> Documents:
    """Return the documents of entities, from rows of `document_paths`; at least one."""
    ids, accounts, projects, named, moments, *others = zip(*rows, strict=True)
    names = [name or "" for name in named]
    fields = _fields(source, others[: len(source.fields)], len(rows))
    texts = others[len(source.fields) :]
    if source.values is not None:
        fields = [*map(_with_values, fields, texts[0])]
        texts = texts[1:]
    return Documents(
        entity_type=source.entity_type,
        ids=ids,
        accounts=accounts,
        projects=projects,
        names=names,
        name_keys=fold_all(names),
        moments=moments,
        fields=fields,
        name_words=split_all(names),
        text_words=_text_words(texts, len(rows)),
    )


def relationship_paths(source: DocumentSource, relation: Relation) -> list[Path]:
    """Return what `relationships_of` takes of each entity."""
    return ["pk", source.account, relation.path]


def relationships_of(relation: Relation, rows: Sequence[tuple[Any, ...]]) -> set[Relationship]:
    """Return the relationships of one kind, from rows of `relationship_paths`."""
    return {
        (account, relation.type, entity, other)
        for entity, account, other in rows
        if other is not None
    }


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


def _with_values(fields: str, values: str | None) -> str:
    """Add a row's own values, which come as JSON text; most rows have none."""
    if values is None or not (given := json.loads(values)):
        return fields
    added = {key: _value_text(value) for key, value in given.items()}
    return json.dumps({**json.loads(fields), **added}, ensure_ascii=False)


def _value_text(value: Any) -> str:
    """Return a value as it is compared."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number_text(value)
        case {"moment": str(moment)}:
            return moment
        case _:
            return fold(str(value))


def _texts_of(values: Sequence[Any]) -> Sequence[str]:
    return fold_all([str(value) for value in values])


def _several_of(values: Sequence[Any]) -> Sequence[str]:
    return [several_text(map(fold, apart(str(value)))) for value in values]


def several_text(texts: Iterable[str]) -> str:
    """Return folded texts as one in which each can be looked for whole."""
    return f"{BETWEEN_TEXTS}{BETWEEN_TEXTS.join(sorted(texts))}{BETWEEN_TEXTS}"


def reference_text(value: object) -> str:
    """Return an id as it is compared: in lower case, without dashes."""
    return str(value).replace("-", "").lower()


def _references_of(values: Sequence[Any]) -> Sequence[str]:
    return [reference_text(value) for value in values]


def moment_text(value: datetime | str) -> str:
    """Return a moment in UTC so that texts compare as moments do."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC).isoformat()
    text = value.replace(" ", "T").partition("+")[0]
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moments_of(values: Sequence[Any]) -> Sequence[str]:
    return [moment_text(value) for value in values]


def _number_text(value: Any) -> str:
    """Return the shortest text that is read as the same number: 7 rather than 7.0."""
    number = float(value)
    text = f"{number:.15g}"
    return text if float(text) == number else repr(number)


def _numbers_of(values: Sequence[Any]) -> Sequence[str]:
    return [_number_text(value) for value in values]


def _flags_of(values: Sequence[Any]) -> Sequence[str]:
    return ["true" if value in {True, "true"} else "false" for value in values]


_TEXT_OF: dict[Kind, Callable[[Sequence[Any]], Sequence[str]]] = {
    Kind.TEXT: _texts_of,
    Kind.TEXTS: _several_of,
    Kind.REFERENCE: _references_of,
    Kind.MOMENT: _moments_of,
    Kind.NUMBER: _numbers_of,
    Kind.FLAG: _flags_of,
}


def _text_words(columns: Sequence[Column], length: int) -> Sequence[str]:
    if not columns:
        return [""] * length
    return split_all([" ".join(filter(None, texts)) for texts in zip(*columns, strict=True)])
