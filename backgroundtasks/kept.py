"""
Statements of the ORM that are put together once, and run again and again with other values.

Django takes ten times as long to put a statement together as the database to run it. Where one
is run for each of thousands of runs it is kept, and each call only fills its values in:

    @kept.query
    def _rows(project: UUID, name: str) -> QuerySet[Script]:
        return Script.objects.filter(project=project, name=name).select_related("project")

    script = _rows.first(project_id, "Refund")
    made = kept.insert(Script(project=project, name="Refund"))

The ORM stays the one source of the SQL; PostgreSQL keeps the plans, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Generic, ParamSpec, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import AutoField, Expression, Model, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    ValuesListIterable,
    get_related_populators,
)
from django.db.models.sql import InsertQuery

from backgroundtasks.lifecycle import store

P = ParamSpec("P")
Row = TypeVar("Row")

_Maker = Callable[[Sequence[Any]], Any]


class _Slot(Expression):
    """Stands in a statement for a value that each call gives."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)


class Query(Generic[P, Row]):
    """
    A query that is put together once for each kind of database.

    Args:
        make: Returns it, from stand-ins for the values: it may compare columns with them, and
            nothing else. A queryset of instances, or a `values_list`.
    """

    def __init__(self, make: Callable[P, QuerySet[Any, Row]]) -> None:
        self._make = make
        self._slots = [_Slot(number) for number in range(len(inspect.signature(make).parameters))]
        self._made: dict[str, _Statement] = {}

    def __call__(self, *values: P.args, **named: P.kwargs) -> list[Row]:
        """Return all rows. Queries: one."""
        assert not named  # noqa: S101 - they would have to be put in order at each call
        made = self._made.get(connection.vendor)
        if made is None:
            make = cast("Callable[..., QuerySet[Any, Row]]", self._make)
            made = self._made[connection.vendor] = _compiled(make(*self._slots))
        return cast("list[Row]", made.read(values))

    def first(self, *values: P.args, **named: P.kwargs) -> Row | None:
        """Return the first row, or None; all are read. Queries: one."""
        rows = self(*values, **named)
        return rows[0] if rows else None


def query(make: Callable[P, QuerySet[Any, Row]]) -> Query[P, Row]:
    """Keep the query that a function returns."""
    return Query(make)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A compiled query, and how its rows become what it was to return."""

    #: None: there can be no rows.
    sql: str | None
    parameters: Sequence[Any]
    #: Which parameter takes which value of a call.
    places: Sequence[tuple[int, int]]
    #: Column to what makes Python's value of the database's.
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
    maker: _Maker

    def read(self, values: Sequence[Any]) -> list[Any]:
        if self.sql is None:
            return []
        parameters = [*self.parameters]
        for at, number in self.places:
            parameters[at] = values[number]
        rows = store().read(self.sql, parameters)
        return [self.maker(self._converted(row)) for row in rows]

    def _converted(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.converters:
            return row
        values = [*row]
        database = connections[DEFAULT_DB_ALIAS]
        for at, functions, expression in self.converters:
            for convert in functions:
                values[at] = convert(values[at], expression, database)
        return values


def _compiled(rows: QuerySet[Any, Any]) -> _Statement:
    compiler: Any = rows.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return _Statement(None, (), (), (), tuple)
    columns = [column for column, _, _ in compiler.select]
    found = compiler.get_converters(columns)
    return _Statement(
        sql,
        parameters,
        [(at, value.number) for at, value in enumerate(parameters) if isinstance(value, _Slot)],
        [(at, functions, expression) for at, (functions, expression) in found.items()],
        _maker(rows, compiler),
    )


def _maker(rows: QuerySet[Any, Any], compiler: Any) -> _Maker:
    """Return what makes of a row of the database what the queryset would."""
    kind: type = rows._iterable_class  # noqa: SLF001 - it alone tells
    if issubclass(kind, FlatValuesListIterable):
        return itemgetter(0)
    if issubclass(kind, ValuesListIterable):
        return tuple
    if not issubclass(kind, ModelIterable) or compiler.annotation_col_map:
        raise TypeError(kind)
    shape = compiler.klass_info
    first, last = shape["select_fields"][0], shape["select_fields"][-1] + 1
    names = [column.target.attname for column, *_ in compiler.select[first:last]]
    model: type[Model] = shape["model"]
    # From Django 6.1 on instances know how what is missing is fetched.
    modes = [rows._fetch_mode] if hasattr(rows, "_fetch_mode") else []  # noqa: SLF001
    populators = get_related_populators(shape, compiler.select, connection.alias, *modes)

    def instance(row: Sequence[Any]) -> Model:
        made = model.from_db(connection.alias, names, row[first:last])
        for populator in populators:
            populator.populate(row, made)
        return made

    return instance


def insert(row: Model, *, update: Sequence[str] = (), unique: Sequence[str] = ()) -> bool:
    """
    Store a new row; leave alone one that is there already, or renew it. Queries: one.

    As `bulk_create` of one row with `ignore_conflicts`, or with `update_conflicts`.

    Args:
        row: The row; it gets its primary key where the database gives it.
        update: Fields that one which is there already takes from this one.
        unique: The fields by which it is found, then.

    Returns:
        Whether it is stored as it is given.
    """
    # Looked up once: Django's `connection` looks for the thread's own at each use.
    database = connections[DEFAULT_DB_ALIAS]
    sql, fields = _insert(type(row), database.vendor, tuple(update), tuple(unique))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), database) for field in fields]
    stored = store().read(sql, values)
    if not stored:
        return False
    if update or row.pk is None:
        [[identity]] = stored
        row.pk = row._meta.pk.to_python(identity)  # noqa: SLF001 - documented API
    row._state.adding, row._state.db = False, database.alias  # noqa: SLF001 - likewise
    return True


@cache
def _insert(
    model: type[Model], vendor: str, update: tuple[str, ...], unique: tuple[str, ...]
) -> tuple[str, list[Any]]:
    """Return the statement that stores a row on a kind of database, and the fields that it takes."""
    assert vendor == connection.vendor  # noqa: S101 - it is a key of the cache alone
    meta = model._meta  # noqa: SLF001 - documented API
    fields = [field for field in meta.local_concrete_fields if not isinstance(field, AutoField)]
    statement = InsertQuery(
        model,
        on_conflict=OnConflict.UPDATE if update else OnConflict.IGNORE,
        update_fields=[meta.get_field(name) for name in update],
        unique_fields=[meta.get_field(name) for name in unique],
    )
    row: Any = SimpleNamespace(**{each.attname: _Slot(at) for at, each in enumerate(fields)})
    # Raw: what a field does before it is saved is done at each call.
    statement.insert_values(fields, [row], raw=True)
    compiler: Any = statement.get_compiler(connection=connection)
    compiler.returning_fields = [meta.pk]
    [(sql, _)] = compiler.as_sql()
    return sql, fields
