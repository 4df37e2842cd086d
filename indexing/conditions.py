"""
From the parts of a query's tree to conditions on documents.

Texts are compared without regard to letter case and accents. A document that lacks a field differs
from every value, so `Status != Failed` finds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from django.db.models import F, FloatField, Lookup, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.expressions import OrderBy
from django.db.models.functions import Cast
from django.db.models.lookups import (
    Contains,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
)

from indexing import backends, sources, tql
from indexing.fields import RELATIONSHIPS, Declared, Known, Place, all_fields
from indexing.models import Document
from indexing.moments import Span, read_span
from indexing.related import Part, RelatedTo, joined
from indexing.rows import moment_text, reference_text, several_text
from indexing.sources import BETWEEN_TEXTS, Kind
from indexing.tql import QueryInvalid
from indexing.words import fold, terms

#: Words that one value may ask for.
MAX_WORDS = 50
#: Entities that a name may stand for.
MAX_REFERRED = 1_000
#: Moments in one list, or values of a field that has several: each is a condition of its own.
MAX_MOMENTS = 100
#: Fields of one name that an account has made for itself: of each a value is read, and SQLite
#: takes the first of 127 at most.
MAX_FIELDS = 100
#: Characters of a text that is looked for within others; SQLite takes 50,000 bytes, with escapes.
MAX_PATTERN = 4_000

_RELATED = "RelatedTo"
#: Between the names of packages; `/api/systeminfo` tells it to clients.
_PATH_SEPARATOR = "|"


class Conditions:
    """Turns the parts of one query into conditions on `Document`."""

    def __init__(self, account_id: UUID, zone: tzinfo) -> None:
        self._account_id = account_id
        self._zone = zone
        self._fields = all_fields()

    # --- conditions ------------------------------------------------------------------------

    def condition(self, node: tql.Condition, prefix: str = "") -> Q:
        """Return a condition; `prefix` stands before the names of its fields."""
        match node:
            case tql.Both() | tql.Alternative():
                word = Q.AND if isinstance(node, tql.Both) else Q.OR
                each_of = (self.condition(each, prefix) for each in node.conditions)
                return Q(*each_of, _connector=word)
            case tql.Negation():
                return ~self.condition(node.condition, prefix)
            case tql.Words():
                return self._words(node.values, name_only=False)
            case tql.Related():
                return self._related(node)
            case tql.Membership():
                return self._member(node, prefix)
            case tql.Comparison():
                return self._compared(node, prefix)

    def field(self, named: tql.Field, prefix: str = "") -> Known:
        """Return the field of this name."""
        known = self._fields
        if not prefix and named.name.lower() == RELATIONSHIPS.lower():
            raise QueryInvalid(f"{RELATIONSHIPS} is followed by IN {{ … }}.", named.at)
        name = named.name[len(prefix) :].lower()
        if named.name.lower().startswith(prefix.lower()) and name in known:
            return known[name]
        if named.name.lower().startswith(prefix.lower()) and (own := self._own(named, name)):
            return own
        names = ", ".join(prefix + field.name for field in known.values())
        extra = f", {', '.join(_OF_A_STEP)}" if prefix else f", {RELATIONSHIPS}"
        raise QueryInvalid(f"there is no field {named.name}; there are {names}{extra}.", named.at)

    def _own(self, named: tql.Field, name: str) -> Known | None:
        """Return the field of this name that the account has made for itself, if there is one."""
        found = sources.values_named(self._account_id, name)
        if not found:
            return None
        written = named.name[-len(name) :]
        kinds = {kind for kind, _ in found}
        if len(kinds) > 1:
            problem = f"there are fields {written} of several kinds; queries take them for one."
            raise QueryInvalid(problem, named.at)
        if len(found) > MAX_FIELDS:
            problem = f"there are more than {MAX_FIELDS} fields {written}; one of all projects can be asked."
            raise QueryInvalid(problem, named.at)
        keys = tuple(sorted(key for _, key in found))
        known = self._fields[name] = Known(written, kinds.pop(), Place.FIELDS, keys=keys)
        return known

    def _compared(self, node: tql.Comparison, prefix: str) -> Q:
        field = self.field(node.field, prefix)
        match node.operator:
            case tql.Operator.EQUAL:
                return self._equal(field, node.field, [node.value])
            case tql.Operator.UNEQUAL:
                return ~self._equal(field, node.field, [node.value])
            case tql.Operator.CONTAINS:
                return self._contains(field, node.field, node.value)
            case tql.Operator.LACKS:
                return ~self._contains(field, node.field, node.value)
            case _:
                return self._beyond(field, node)

    def _member(self, node: tql.Membership, prefix: str) -> Q:
        field = self.field(node.field, prefix)
        if not isinstance(node.values, tql.Function):
            return self._equal(field, node.field, node.values)
        function = node.values
        package = self._fields.get("package")
        if field.place is not Place.ID or package is None or function.name.lower() != "packages":
            raise QueryInvalid(
                f"there is no function {function.name} for {field.name}.", function.at
            )
        found = [each for path in function.arguments for each in self._packages(package, path)]
        return Q(entity_id__in=found)

    def _packages(self, package: Known, path: tql.Value) -> list[UUID]:
        """Return the packages at a path of names from a root: `Root|Child`."""
        # A root is in no package; the others are in one that the last step found.
        level = self._of_type(package.to).filter(IsNull(package.stored, True))  # noqa: FBT003 - IS NULL
        found: list[UUID] = []
        for name in path.text.split(_PATH_SEPARATOR):
            found = self._ids(level.filter(name_key=fold(name.strip())), path)
            inside = In(package.stored, [each.hex for each in found])
            level = self._of_type(package.to).filter(inside)
        return found

    def _words(self, values: Sequence[tql.Value], *, name_only: bool) -> Q:
        asked = [term for value in values for term in terms(value.text)]
        if not asked:
            raise QueryInvalid("there is no word to search for.", values[0].at)
        if len(asked) > MAX_WORDS:
            raise QueryInvalid(f"there are more than {MAX_WORDS} words.", values[0].at)
        return Q(backends.current().match(asked, name_only=name_only))

    def _contains(self, field: Known, named: tql.Field, value: tql.Value) -> Q:
        if field.place in {Place.NAME, Place.WORDS}:
            return self._words([value], name_only=field.place is Place.NAME)
        if field.place is Place.PROJECT or (field.kind is Kind.REFERENCE and field.to):
            named_so = self._of_type(field.to).filter(self._words([value], name_only=True))
            return self._refers(field, self._ids(named_so, value))
        if field.kind in {Kind.TEXT, Kind.TEXTS} and field.place is Place.FIELDS:
            return _present(field, Contains(field.stored, _word(value)))
        raise QueryInvalid(f"{field.name} cannot be searched with ~.", named.at)

    def _equal(self, field: Known, named: tql.Field, values: Sequence[tql.Value]) -> Q:
        """Return that the field has one of these values."""
        match field.place:
            case Place.ID:
                return Q(entity_id__in=[_id(value) for value in values])
            case Place.NAME:
                return Q(name_key__in=[fold(value.text) for value in values])
            case Place.ENTITY_TYPE:
                return Q(entity_type__in=[_entity_type(value) for value in values])
            case Place.WORDS:
                raise QueryInvalid(f"{field.name} can only be searched with ~.", named.at)
            case _:
                return self._equal_by_kind(field, values)

    def _equal_by_kind(self, field: Known, values: Sequence[tql.Value]) -> Q:
        match field.kind:
            case Kind.TEXT:
                return _present(field, In(field.stored, [fold(value.text) for value in values]))
            case Kind.TEXTS:
                if len(values) > MAX_MOMENTS:
                    problem = f"a list has more than {MAX_MOMENTS} values of {field.name}."
                    raise QueryInvalid(problem, values[0].at)
                whole = (Contains(field.stored, several_text([_word(value)])) for value in values)
                return _present(field, *whole)
            case Kind.REFERENCE:
                return self._equal_reference(field, values)
            case Kind.MOMENT:
                return self._equal_moment(field, values)
            case Kind.NUMBER:
                return _present(field, In(_as_number(field), [_number(value) for value in values]))
            case Kind.FLAG:
                return _present(field, In(field.stored, [_flag(value) for value in values]))

    def _equal_moment(self, field: Known, values: Sequence[tql.Value]) -> Q:
        if len(values) > MAX_MOMENTS:
            raise QueryInvalid(f"a list has more than {MAX_MOMENTS} moments.", values[0].at)
        spans = (self._within(field, self._span(value)) for value in values)
        # The AND keeps an OR around this from taking its parts for its own: SQLite refuses an
        # expression that is a thousand deep.
        return Q(IsNull(field.stored, False)) & Q(*spans, _connector=Q.OR)  # noqa: FBT003 - IS NOT NULL

    def _equal_reference(self, field: Known, values: Sequence[tql.Value]) -> Q:
        ids = [found for value in values if (found := _find_id(value.text)) is not None]
        names = [value for value in values if _find_id(value.text) is None]
        if names and field.to:
            keys = [fold(value.text) for value in names]
            ids += self._ids(self._of_type(field.to).filter(name_key__in=keys), names[0])
        others = [] if field.to else [reference_text(value.text) for value in names]
        return self._refers(field, ids, others)

    def _refers(self, field: Known, ids: Sequence[UUID], others: Sequence[str] = ()) -> Q:
        if field.place is Place.PROJECT:
            return Q(project_id__in=ids)
        return _present(field, In(field.stored, [*(each.hex for each in ids), *others]))

    def _beyond(self, field: Known, node: tql.Comparison) -> Q:
        """Return `<`, `<=`, `>` and `>=`."""
        below = node.operator in {tql.Operator.LESS, tql.Operator.AT_MOST}
        # "At most this day" ends with the day; "before it" ends where it starts.
        to_the_end = node.operator in {tql.Operator.AT_MOST, tql.Operator.GREATER}
        match field.kind:
            case Kind.MOMENT:
                span = self._span(node.value)
                return self._side(field, span.end if to_the_end else span.start, below=below)
            case Kind.NUMBER:
                compare = _LOOKUPS[node.operator]
                return _present(field, compare(_as_number(field), _number(node.value)))
            case _:
                problem = f"{field.name} cannot be compared with {node.operator}."
                raise QueryInvalid(problem, node.field.at)

    def _within(self, field: Known, span: Span) -> Q:
        return self._side(field, span.start, below=False) & self._side(field, span.end, below=True)

    def _side(self, field: Known, bound: datetime, *, below: bool) -> Q:
        if field.place is Place.UPDATED_AT:
            return Q(updated_at__lt=bound) if below else Q(updated_at__gte=bound)
        compare = LessThan if below else GreaterThanOrEqual
        return _present(field, compare(field.stored, moment_text(bound)))

    def _span(self, value: tql.Value) -> Span:
        try:
            return read_span(value.text, self._zone)
        except ValueError:
            problem = f"{value.text[:40]} is no moment such as 2024-03-05 or 2024-03-05T08:15:42Z."
            raise QueryInvalid(problem, value.at) from None

    def _of_type(self, entity_type: str) -> QuerySet[Document]:
        return Document.objects.filter(account=self._account_id, entity_type=entity_type)

    def _ids(self, documents: QuerySet[Document], value: tql.Value) -> list[UUID]:
        ids = list(documents.values_list("entity_id", flat=True)[: MAX_REFERRED + 1])
        if len(ids) > MAX_REFERRED:
            raise QueryInvalid(f"it stands for more than {MAX_REFERRED} entities.", value.at)
        return ids

    # --- relationships ---------------------------------------------------------------------

    def _related(self, node: tql.Related) -> Q:
        if node.field.name.lower() != RELATIONSHIPS.lower():
            raise QueryInvalid(f"only {RELATIONSHIPS} is followed by IN {{ … }}.", node.field.at)
        return Q(RelatedTo(self._step(node.condition)))

    def _step(self, node: tql.Condition) -> tuple[Part, ...]:
        """Return the condition on one step of the walk, and on the entity that it reaches."""
        if _is_of_documents(node):
            fitting = Document.objects.filter(account=self._account_id)
            fitting = fitting.filter(self.condition(node, _RELATED))
            return (Part("", documents=fitting),)
        match node:
            case tql.Both():
                return joined([self._step(each) for each in node.conditions], "AND")
            case tql.Alternative():
                return joined([self._step(each) for each in node.conditions], "OR")
            case tql.Negation():
                return (Part("NOT "), *joined([self._step(node.condition)], "AND"))
            case tql.Membership(values=tuple() as values):
                equal = [self._of_step(node.field, tql.Operator.EQUAL, each) for each in values]
                return joined([(each,) for each in equal], "OR")
            case tql.Comparison():
                return (self._of_step(node.field, node.operator, node.value),)
            case _:
                raise QueryInvalid("this cannot stand inside Relationships.", tql.Position())

    def _of_step(self, named: tql.Field, operator: tql.Operator, value: tql.Value) -> Part:
        column = _OF_A_STEP[_step_name(named)]
        if operator not in {tql.Operator.EQUAL, tql.Operator.UNEQUAL} and column != "depth":
            raise QueryInvalid(f"{named.name} cannot be compared with {operator}.", named.at)
        if operator in {tql.Operator.CONTAINS, tql.Operator.LACKS}:
            raise QueryInvalid(f"{named.name} cannot be searched with ~.", named.at)
        sign = "<>" if operator is tql.Operator.UNEQUAL else operator.value
        if column == "depth":
            return Part(f"walk.depth {sign} %s", (_number(value),))
        if column == "direction":
            return Part(f"walk.direction {sign} %s", (value.text.lower(),))
        return Part(f"lower(walk.type) {sign} %s", (value.text.lower(),))

    # --- order and groups ------------------------------------------------------------------

    def ordering(self, order: tql.Order) -> OrderBy:
        """Return how documents are ordered by a field; those without it come last."""
        field = self.field(order.field)
        if field.place is Place.WORDS:
            raise QueryInvalid("Text has no order.", order.field.at)
        key = self._key(field)
        if order.descending:
            return OrderBy(key, descending=True, nulls_last=True)
        return OrderBy(key, nulls_last=True)

    def grouping(self, group: tql.GroupBy) -> Known:
        """Return the field that documents are grouped by."""
        field = self.field(group.field)
        if field.place is Place.WORDS:
            raise QueryInvalid("Text has no groups.", group.field.at)
        if field.kind is Kind.TEXTS:
            problem = f"{field.name} may have several values, and has no groups."
            raise QueryInvalid(problem, group.field.at)
        return field

    def _key(self, field: Known) -> Any:
        if field.kind is Kind.REFERENCE and field.to:
            named = self._of_type(field.to).filter(entity_id=Cast(_outer(field), UUIDField()))
            return Subquery(named.values("name_key")[:1])
        if field.kind is Kind.NUMBER:
            return _as_number(field)
        stored = field.stored
        return stored if isinstance(stored, F) else backends.current().sort_key(stored)

    def names(self, field: Known, values: Iterable[Any]) -> dict[Any, str]:
        """Return what the groups of a field are called."""
        if not field.to:
            return {value: _group_name(field, value) for value in values}
        ids = {value: _find_id(str(value)) for value in values if value is not None}
        wanted = [each for each in ids.values() if each is not None]
        named = dict(
            self._of_type(field.to).filter(entity_id__in=wanted).values_list("entity_id", "name")
        )
        called = {
            value: (each and named.get(each)) or str(each or value) for value, each in ids.items()
        }
        return {value: called.get(value, "") for value in values}


def _is_of_documents(node: tql.Condition) -> bool:
    """Whether a condition inside Relationships is about the related entity alone."""
    match node:
        case tql.Both() | tql.Alternative():
            return all(map(_is_of_documents, node.conditions))
        case tql.Negation():
            return _is_of_documents(node.condition)
        case tql.Comparison() | tql.Membership():
            return _step_name(node.field) not in _OF_A_STEP
        case _:
            return True


def _step_name(named: tql.Field) -> str:
    return next((name for name in _OF_A_STEP if name.lower() == named.name.lower()), "")


#: Fields of a relationship, with the columns of the walk.
_OF_A_STEP = {
    "RelationshipType": "type",
    "RelationshipDirection": "direction",
    "RelationshipDepth": "depth",
}
_LOOKUPS: dict[tql.Operator, type[Lookup[Any]]] = {
    tql.Operator.LESS: LessThan,
    tql.Operator.AT_MOST: LessThanOrEqual,
    tql.Operator.GREATER: GreaterThan,
    tql.Operator.AT_LEAST: GreaterThanOrEqual,
}
_FLAGS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}


def _present(field: Known, *lookups: Lookup[Any]) -> Q:
    """Return that one of the lookups fits, so that NOT of it finds documents without the field."""
    return Q(IsNull(field.stored, False)) & Q(*lookups, _connector=Q.OR)  # noqa: FBT003 - IS NOT NULL


def _word(value: tql.Value) -> str:
    """Return a text as others hold it; what stands between several texts is in none of them."""
    text = fold(value.text).replace(BETWEEN_TEXTS, " ")
    if len(text) > MAX_PATTERN:
        raise QueryInvalid(f"it has more than {MAX_PATTERN:,} characters.", value.at)
    return text


def _as_number(field: Known) -> Cast:
    return Cast(field.stored, FloatField())


def _outer(field: Known) -> Any:
    if field.place is Place.PROJECT:
        return OuterRef("project_id")
    return Declared(field.name, OuterRef("fields"))


def _number(value: tql.Value) -> float:
    try:
        number = float(value.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryInvalid(f"{value.text[:40]} is no number.", value.at)
    return number


def _flag(value: tql.Value) -> str:
    flag = _FLAGS.get(value.text.lower())
    if flag is None:
        raise QueryInvalid(f"{value.text[:40]} is neither true nor false.", value.at)
    return flag


def _find_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _id(value: tql.Value) -> UUID:
    found = _find_id(value.text)
    if found is None:
        raise QueryInvalid(f"{value.text[:40]} is no id.", value.at)
    return found


def _entity_type(value: tql.Value) -> str:
    source = sources.find(value.text)
    return value.text if source is None else source.entity_type


def _group_name(field: Known, value: Any) -> str:
    if value is None:
        return ""
    if field.place is Place.ENTITY_TYPE:
        return str(value).lower()
    return moment_text(value) if isinstance(value, datetime) else str(value)
