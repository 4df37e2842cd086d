"""
Statements of the ORM that are put together once, and run again and again with other values.

Django takes ten times as long to put a statement together as the database to run it. Where one
is run for each of thousands of runs it is kept, and each call only fills its values in:

    @kept.query
    def _rows(project: UUID, name: str) -> QuerySet[Script]:
        return Script.objects.filter(project=project, name=name).select_related("project")

    script = _rows.first(project_id, "Refund")
    made = kept.insert_once(Script(project=project, name="Refund"))

The ORM stays the one source of the SQL; PostgreSQL keeps the plans, too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter, itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import (
    AutoField,
    BigAutoField,
    BooleanField,
    CharField,
    DateTimeField,
    Expression,
    Model,
    PositiveIntegerField,
    QuerySet,
    TextField,
    UUIDField,
)
from django.db.models.constants import OnConflict
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    ValuesListIterable,
    get_related_populators,
)
from django.db.models.sql import InsertQuery

from backgroundtasks.lifecycle import store

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

P = ParamSpec("P")
Row = TypeVar("Row")

#: Instances of one query that are shared at most.
_SHARED: Final = 256

#: Fields whose values a store takes as Python has them, when nothing is done before they are saved.
_PLAIN: Final = {
    AutoField,
    BigAutoField,
    BooleanField,
    CharField,
    DateTimeField,
    PositiveIntegerField,
    TextField,
    UUIDField,
}

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
        shared: A row that is read as it was read before gives the same instance, which nobody may
            change: making them costs more than reading them.
    """

    def __init__(self, make: Callable[P, QuerySet[Any, Row]], *, shared: bool = False) -> None:
        self._make, self._shared = make, shared
        self._slots = [_Slot(number) for number in range(len(inspect.signature(make).parameters))]
        self._made: dict[str, _Statement] = {}

    def __call__(self, *values: P.args, **named: P.kwargs) -> list[Row]:
        """Return all rows. Queries: one."""
        assert not named  # noqa: S101 - they would have to be put in order at each call
        # Looked up once: Django's `connection` looks for the thread's own at each use.
        database = connections[DEFAULT_DB_ALIAS]
        return cast("list[Row]", self._statement(database).read(values, database))

    def each(self, values: Sequence[tuple[Any, ...]]) -> list[list[Row]]:
        """Return the rows for each set of values, which are asked for together. Queries: one each."""
        database = connections[DEFAULT_DB_ALIAS]
        return cast("list[list[Row]]", self._statement(database).read_each(values, database))

    def first(self, *values: P.args, **named: P.kwargs) -> Row | None:
        """Return the first row, or None; all are read. Queries: one."""
        rows = self(*values, **named)
        return rows[0] if rows else None

    def _statement(self, database: BaseDatabaseWrapper) -> _Statement:
        made = self._made.get(database.vendor)
        if made is None:
            make = cast("Callable[..., QuerySet[Any, Row]]", self._make)
            made = self._made[database.vendor] = _compiled(make(*self._slots), shared=self._shared)
        return made


def query(make: Callable[P, QuerySet[Any, Row]]) -> Query[P, Row]:
    """Keep the query that a function returns."""
    return Query(make)


def shared(make: Callable[P, QuerySet[Any, Row]]) -> Query[P, Row]:
    """Keep the query that a function returns, and share the instances of rows that did not change."""
    return Query(make, shared=True)


@dataclass(frozen=True, slots=True)
class _Statement:
    """A compiled query, and how its rows become what it was to return."""

    #: None: there can be no rows.
    sql: str | None
    parameters: Sequence[Any]
    #: Which parameter takes which value of a call.
    places: Sequence[tuple[int, int]]
    maker: _Maker

    def read(self, values: Sequence[Any], database: BaseDatabaseWrapper) -> list[Any]:
        if self.sql is None:
            return []
        rows = store(database).read(self.sql, self._filled(values), database)
        return [self.maker(row) for row in rows]

    def read_each(
        self, values: Sequence[Sequence[Any]], database: BaseDatabaseWrapper
    ) -> list[list[Any]]:
        if self.sql is None:
            return [[] for _ in values]
        found = store(database).read_each(self.sql, [*map(self._filled, values)], database)
        return [[self.maker(row) for row in rows] for rows in found]

    def _filled(self, values: Sequence[Any]) -> list[Any]:
        parameters = [*self.parameters]
        for at, number in self.places:
            parameters[at] = values[number]
        return parameters


def _compiled(rows: QuerySet[Any, Any], *, shared: bool) -> _Statement:
    compiler: Any = rows.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return _Statement(None, (), (), tuple)
    places = [(at, one.number) for at, one in enumerate(parameters) if isinstance(one, _Slot)]
    converters = compiler.get_converters([column for column, _, _ in compiler.select])
    maker = _converting(_maker(rows, compiler), [(at, *one) for at, one in converters.items()])
    return _Statement(sql, parameters, places, lru_cache(_SHARED)(maker) if shared else maker)


def _converting(
    maker: _Maker, converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
) -> _Maker:
    """Return a maker for rows as the database has them: columns that need it become Python's."""
    if not converters:
        return maker

    def converted(row: Sequence[Any]) -> Any:
        values = [*row]
        for at, functions, expression in converters:
            for convert in functions:
                values[at] = convert(values[at], expression, connection)
        return maker(values)

    return converted


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


def insert(row: Model) -> None:
    """
    Store a new row. Queries: one.

    Raises:
        IntegrityError: it cannot be.
    """
    _insert([row], None)


def insert_once(row: Model) -> bool:
    """
    Store a new row, unless one is there that it would be in conflict with. Queries: one.

    Returns:
        Whether it was stored.
    """
    [stored] = insert_each_once([row])
    return stored


def insert_each_once(rows: Sequence[Model]) -> list[bool]:
    """
    Store new rows of one model, each unless one is there that it would be in conflict with.

    One after the other, but they are sent together. Queries: one each.

    Returns:
        Of each, whether it was stored.
    """
    return _insert(rows, OnConflict.IGNORE)


def upsert(row: Model, *, unique: tuple[str, ...], update: tuple[str, ...]) -> None:
    """
    Store a new row, or renew the one that is there; it gets that one's primary key. Queries: one.

    Args:
        row: The row.
        unique: The fields by which one that is there is found.
        update: Those that it takes from this one.
    """
    upsert_each([row], unique=unique, update=update)


def upsert_each(rows: Sequence[Model], *, unique: tuple[str, ...], update: tuple[str, ...]) -> None:
    """Store or renew rows of one model as `upsert` does one. Sent together; queries: one each."""
    _insert(rows, OnConflict.UPDATE, unique, update)


def _insert(
    rows: Sequence[Model],
    conflict: OnConflict | None,
    unique: tuple[str, ...] = (),
    update: tuple[str, ...] = (),
) -> list[bool]:
    if not rows:
        return []
    # Looked up once: Django's `connection` looks for the thread's own at each use.
    database = connections[DEFAULT_DB_ALIAS]
    sql, values = _inserting(type(rows[0]), database.vendor, conflict, unique, update)
    found = store(database).read_each(
        sql, [[value(row) for value in values] for row in rows], database
    )
    for row, stored in zip(rows, found, strict=True):
        if not stored:
            continue
        if update or row.pk is None:
            [[identity]] = stored
            row.pk = row._meta.pk.to_python(identity)  # noqa: SLF001 - documented API
        row._state.adding, row._state.db = False, database.alias  # noqa: SLF001 - likewise
    return [bool(stored) for stored in found]


@cache
def _inserting(
    model: type[Model],
    vendor: str,
    conflict: OnConflict | None,
    unique: tuple[str, ...],
    update: tuple[str, ...],
) -> tuple[str, list[Callable[[Model], Any]]]:
    """Return the statement that stores a row in a kind of database, and what it takes of the row."""
    assert vendor == connection.vendor  # noqa: S101 - it is a key of the cache alone
    meta = model._meta  # noqa: SLF001 - documented API
    fields = [field for field in meta.local_concrete_fields if not isinstance(field, AutoField)]
    statement = InsertQuery(
        model,
        on_conflict=conflict,
        update_fields=[meta.get_field(name) for name in update],
        unique_fields=[meta.get_field(name) for name in unique],
    )
    row: Any = SimpleNamespace(**{each.attname: _Slot(at) for at, each in enumerate(fields)})
    # Raw: what a field does before it is saved is done at each call.
    statement.insert_values(fields, [row], raw=True)
    compiler: Any = statement.get_compiler(connection=connection)
    compiler.returning_fields = [meta.pk]
    [(sql, _)] = compiler.as_sql()
    if conflict == OnConflict.IGNORE:
        sql = _once(sql)
    return sql, [_value_of(field) for field in fields]


def _once(sql: str) -> str:
    """
    Return an insertion of Django's that ignores conflicts with rows that are there, and nothing else.

    On SQLite Django's ignores what a column refuses as well: an empty one, say.
    """
    ignoring = "INSERT OR IGNORE INTO "
    if not sql.startswith(ignoring):
        return sql
    row, returning, key = sql.removeprefix(ignoring).rpartition(" RETURNING ")
    return f"INSERT INTO {row} ON CONFLICT DO NOTHING{returning}{key}"


def _value_of(field: Any) -> Callable[[Model], Any]:
    """Return what gives the value of a field that is stored."""
    target = field.target_field if field.is_relation else field
    if type(target) in _PLAIN and not getattr(field, "auto_now", False):
        return attrgetter(field.attname)

    def value(row: Model) -> Any:
        database = connections[DEFAULT_DB_ALIAS]
        return field.get_db_prep_save(field.pre_save(row, add=True), database)

    return value
