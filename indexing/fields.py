"""The fields that a query may name: those that every document has, and what the sources declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db.models import F, Func, TextField, Value
from django.db.models.sql.compiler import SQLCompiler

from indexing import sources, tql
from indexing.sources import PROJECT, Kind

#: Stands where a field does, and asks for what an entity is related to.
RELATIONSHIPS = "Relationships"


class Place(Enum):
    """Where the values of a field stand in a document."""

    ID = "entity_id"
    ENTITY_TYPE = "entity_type"
    PROJECT = "project_id"
    NAME = "name_key"
    UPDATED_AT = "updated_at"
    WORDS = "words"
    FIELDS = "fields"


class Declared(Func):
    """The value of a declared field as text; NULL where a document has none."""

    output_field = TextField()
    arg_joiner = " ->> "
    template = "(%(expressions)s)"

    def __init__(self, name: str, fields: Any = "fields", **extra: Any) -> None:
        super().__init__(fields, Value(name.lower()), **extra)
        self._path = Value(f'$."{name.lower()}"')

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return it for versions before 3.38 too, which have no `->>`."""
        given, _ = self.source_expressions
        value = Func(given, self._path, function="json_extract", output_field=TextField())
        return value.as_sql(compiler, connection, **extra)


class FirstDeclared(Func):
    """
    The first of several values that a document has, as text; NULL where it has none.

    One part of a statement: of a hundred of them in each of four hundred conditions Django would
    take twenty seconds to put it together.
    """

    output_field = TextField()

    def __init__(self, names: tuple[str, ...], fields: Any = "fields", **extra: Any) -> None:
        super().__init__(fields, **extra)
        self._names = names

    def as_sql(self, compiler: SQLCompiler, connection: Any, *given: Any, **extra: Any) -> Any:
        """Return it for PostgreSQL."""
        return self._first(compiler, "{} ->> %s", self._names)

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return it for versions before 3.38 too, which have no `->>`."""
        return self._first(
            compiler, "json_extract({}, %s)", [f'$."{name}"' for name in self._names]
        )

    def _first(self, compiler: SQLCompiler, template: str, names: Sequence[str]) -> Any:
        fields, params = compiler.compile(self.get_source_expressions()[0])
        each_of = ", ".join([template.format(fields)] * len(names))
        return f"COALESCE({each_of})", [each for name in names for each in (*params, name)]


@dataclass(frozen=True, slots=True)
class Known:
    """A field that a query may name."""

    name: str
    kind: Kind
    place: Place
    #: For a reference: the entity type that it leads to.
    to: str = ""
    #: Of a field that an account has made for itself: where values of this name stand.
    keys: tuple[str, ...] = ()

    @property
    def stored(self) -> F | Declared | FirstDeclared:
        """Return the stored value; that of a declared field is text, or NULL."""
        if self.keys:
            return Declared(self.keys[0]) if len(self.keys) == 1 else FirstDeclared(self.keys)
        if self.place is Place.FIELDS:
            return Declared(self.name)
        return F(self.place.value)


ALWAYS = (
    Known("Id", Kind.REFERENCE, Place.ID),
    Known("Name", Kind.TEXT, Place.NAME),
    Known("Text", Kind.TEXT, Place.WORDS),
    Known("EntityType", Kind.TEXT, Place.ENTITY_TYPE),
    Known("Project", Kind.REFERENCE, Place.PROJECT, PROJECT),
    Known("LastUpdatedAt", Kind.MOMENT, Place.UPDATED_AT),
)


def is_reserved(word: str) -> bool:
    """Whether queries mean something else than a field by a word, in any letter case."""
    return word.upper() in {*tql.RESERVED, RELATIONSHIPS.upper()}


def all_fields() -> dict[str, Known]:
    """Return every field by its name in lower case, in the order in which errors list them."""
    known = {field.name.lower(): field for field in ALWAYS}
    for source in sources.all_sources():
        for name, field in sorted(source.fields.items()):
            known.setdefault(name.lower(), Known(name, field.kind, Place.FIELDS, field.to))
    return known
