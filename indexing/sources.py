"""Where the entities of an app stand in the database, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Aggregate, Model, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpRequest

#: A lookup path (`run__assignment_id`) or an expression over the model.
Path = str | Combinable

#: The entity type whose entities are the projects: `Project = "Billing"` finds it by name.
PROJECT = "Project"


#: Between several texts that come from the database as one; no text of a form or of JSON that
#: people write on one line holds it.
BETWEEN_TEXTS = "\x1f"


class Joined(Aggregate):
    """
    All the texts of a group as one, with `BETWEEN_TEXTS` between them, in any order.

        Subquery(Pick.objects.filter(incident=OuterRef("pk")).values("incident")
                 .values(names=Joined("item__name")))
    """

    output_field = TextField()
    function = "STRING_AGG"

    def __init__(self, path: Path) -> None:
        super().__init__(path, Value(BETWEEN_TEXTS))

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        """Return it under its name there."""
        return self.as_sql(compiler, connection, function="GROUP_CONCAT", **extra)


def apart(joined: str | None) -> list[str]:
    """Return the texts that `Joined` put together, in order; none of NULL."""
    return sorted(joined.split(BETWEEN_TEXTS)) if joined else []


class Kind(StrEnum):
    """How the values of a field are compared."""

    TEXT = "text"  #: letter case and accents do not count
    TEXTS = "texts"  #: any number of texts, compared one by one
    REFERENCE = "reference"  #: an id, or the name of what has it
    MOMENT = "moment"
    NUMBER = "number"
    FLAG = "flag"  #: `true` or `false`


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a query, and where its value stands."""

    path: Path
    kind: Kind = Kind.TEXT
    #: For a reference: the entity type that it leads to; its documents know the names.
    to: str = ""


def text(path: Path) -> Field:
    """Return a field of short text: a status, a type, the path of a package."""
    return Field(path)


def texts(path: Path) -> Field:
    """Return a field of several short texts, which `path` gives as `Joined` does."""
    return Field(path, Kind.TEXTS)


def reference(path: Path, to: str) -> Field:
    """Return a field that holds the id of an entity of type `to`."""
    return Field(path, Kind.REFERENCE, to)


def moment(path: Path) -> Field:
    """Return a field that holds a moment."""
    return Field(path, Kind.MOMENT)


def number(path: Path) -> Field:
    """Return a field that holds a number."""
    return Field(path, Kind.NUMBER)


def flag(path: Path) -> Field:
    """Return a field that is true or false."""
    return Field(path, Kind.FLAG)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relationship of every entity of a source: to the entity whose id stands at `path`."""

    #: Shown as `RelationshipType`; at most 60 characters.
    type: str
    #: May be NULL, and may lead over a many-to-many.
    path: Path


class DocumentSource:
    """
    The entities of one type.

    Their primary keys are UUIDs. Paths are Django's lookup paths from the model; those of a
    document must not lead over a to-many relation.
    """

    #: Public name, at most 60 characters: `AutomatedTest`.
    entity_type: ClassVar[str]
    #: Further names that queries may use.
    aliases: ClassVar[tuple[str, ...]] = ()
    model: ClassVar[type[Model]]
    account: ClassVar[Path] = "account_id"
    #: Leads to the project's id; None where entities belong to no project.
    project: ClassVar[Path | None] = "project_id"
    name: ClassVar[Path] = "name"
    updated_at: ClassVar[Path | None] = "updated_at"
    #: Texts of which every word can be found, beside those of the name.
    texts: ClassVar[tuple[Path, ...]] = ()
    fields: ClassVar[Mapping[str, Field]] = {}
    #: Leads to a JSON object (or NULL) of further values by keys of the app's own, such as ids:
    #: texts, numbers, true or false, and moments as `{"moment": "2024-03-05T08:15:42"}`.
    values: ClassVar[Path | None] = None
    relationships: ClassVar[tuple[Relation, ...]] = ()

    def queryset(self) -> QuerySet[Any]:
        """Return the entities that may be found; leave out what nobody may see yet."""
        return self.model._default_manager.all()  # noqa: SLF001 - Django's public name for it

    def hidden(self) -> QuerySet[Any, UUID] | None:
        """
        Return the ids of the entities that nobody may see for now, while their documents are kept.

        Asked of the projects: with one of them all is hidden that it holds. None: nothing is.
        """
        return None

    def represent(
        self, request: HttpRequest, ids: Collection[UUID]
    ) -> Mapping[UUID, dict[str, Any]]:
        """
        Return the usual API representations, with `Self`, of these entities by their id.

        One that is gone, or that the caller may not see, is left out.
        """
        raise NotImplementedError


_sources: dict[str, DocumentSource] = {}

#: From an account's id and a name, in any letter case, to how the values of that name are compared
#: and their keys in `DocumentSource.values`; nothing when the account has no such field.
ValuesNamed = Callable[[UUID, str], Sequence[tuple[Kind, str]]]
_named: list[ValuesNamed] = []


def register_values(named: ValuesNamed) -> None:
    """Say which fields accounts have made for themselves; in `AppConfig.ready()`."""
    if named not in _named:
        _named.append(named)


def values_named(account_id: UUID, name: str) -> list[tuple[Kind, str]]:
    """Return the fields of a name that an account has made for itself."""
    return [each for named in _named for each in named(account_id, name)]


def register(source: DocumentSource) -> None:
    """Add a source; in `AppConfig.ready()`. A name that is taken is refused."""
    for name in (source.entity_type, *source.aliases):
        known = find(name)
        if known is not None and type(known) is not type(source):
            raise ImproperlyConfigured(
                f"The entity type {name} is registered by {type(known).__name__} "
                f"and by {type(source).__name__}."
            )
    for name, field in source.fields.items():
        _refuse_another_kind(source, name, field)
    _sources[source.entity_type.lower()] = source


def _refuse_another_kind(source: DocumentSource, name: str, field: Field) -> None:
    """One name means one thing in a query, whatever type it finds."""
    for other in _sources.values():
        for their_name, theirs in other.fields.items():
            same = (theirs.kind, theirs.to) == (field.kind, field.to)
            if their_name.lower() == name.lower() and not same:
                raise ImproperlyConfigured(
                    f"The field {name} of {source.entity_type} is a {field.kind}; "
                    f"that of {other.entity_type} is a {theirs.kind}."
                )


def all_sources() -> list[DocumentSource]:
    """Return every source, by entity type."""
    return [_sources[name] for name in sorted(_sources)]


def find(entity_type: str) -> DocumentSource | None:
    """Return the source of an entity type or alias in any letter case, or None."""
    wanted = entity_type.lower()
    direct = _sources.get(wanted)
    if direct is not None:
        return direct
    named = (s for s in _sources.values() if wanted in map(str.lower, s.aliases))
    return next(named, None)


def get(what: type[Model] | str) -> DocumentSource:
    """
    Return the source of a model or an entity type.

    Raises:
        ImproperlyConfigured: it was not registered.
    """
    if isinstance(what, str):
        source = find(what)
    else:
        source = next((s for s in _sources.values() if s.model is what), None)
    if source is None:
        raise ImproperlyConfigured(f"{what} is not registered with the search index.")
    return source


def knows(model: type[Model]) -> bool:
    """Whether entities of a model can be found."""
    return any(source.model is model for source in _sources.values())


def hidden_projects() -> QuerySet[Any, UUID] | None:
    """Return the ids of the projects whose documents nobody may find for now; None: there are none."""
    source = find(PROJECT)
    return None if source is None else source.hidden()
