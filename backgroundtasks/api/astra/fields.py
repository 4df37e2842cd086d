"""
What may be asked of a task: `include` by name, `filter` and `orderBy` in SQL.

`FIELDS` has every member that can be compared, with its type and its operators.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import BooleanField, Case, CharField, F, FloatField, Func, Q, Value, When
from django.db.models.functions import Cast, Collate, Floor, Left, Length, StrIndex, Trim
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)

from backgroundtasks.api.astra import identities, vocabulary
from backgroundtasks.handlers import registry
from backgroundtasks.states import GOOD, State

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable, Expression

    from backgroundtasks.handlers import Actor

#: What `include` may name, in the order of a task.
MEMBERS: Final = (
    "type",
    "version",
    "id",
    "name",
    "summary",
    "description",
    "service",
    "parentTaskID",
    "userID",
    "resourceID",
    "resourceURI",
    "resourceCollectionURI",
    "state",
    "stateTransitions",
    "stateDetails",
    "orderHint",
    "percentDone",
    "startTime",
    "endTime",
    "cancelTime",
    "metadata",
)

_NEVER: Final = Q(pk__in=[])
_COMPARED: Final = ("eq", "lt", "gt", "lte", "gte")
_PYTHON: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "gt": operator.gt,
    "lte": operator.le,
    "gte": operator.ge,
    "in": operator.contains,
}
_LOOKUPS: Final = {
    "eq": Exact,
    "lt": LessThan,
    "gt": GreaterThan,
    "lte": LessThanOrEqual,
    "gte": GreaterThanOrEqual,
}


class ValueRefused(ValueError):
    """The value is none of the member's; the message says what would be."""


@dataclass(frozen=True)
class Field:
    """A member that can be compared."""

    #: `test(actor, operator, value)` gives the condition, or raises `ValueRefused`.
    test: Callable[[Actor, str, str], Q]
    operators: tuple[str, ...]
    #: What the values look like, as an expression: part of the OpenAPI document.
    pattern: str
    #: What it is sorted by; None where it cannot be.
    order: Callable[[], Combinable] | None = None


def states_where(how: str, value: str) -> frozenset[State]:
    """Return the states whose word compares so with a value."""
    return frozenset(s for s, word in vocabulary.STATES.items() if _PYTHON[how](word, value))


# --- words: few values, so they are compared here --------------------------------------------------


def _words(found: Callable[[Callable[[str], bool]], Q], order: Any = None) -> Field:
    def test(_actor: Actor, how: str, value: str) -> Q:
        return found(lambda word: _PYTHON[how](word, value))

    return Field(test, (*_COMPARED, "in"), _TEXT, order)


def _constant(word: str) -> Field:
    return _words(lambda fits: Q() if fits(word) else _NEVER)


def _by_state(fits: Callable[[str], bool]) -> Q:
    return Q(state__in=[state for state, word in vocabulary.STATES.items() if fits(word)])


def _types(fits: Callable[[vocabulary.TypeWords], bool]) -> Q:
    """Return the condition of the task types that there are whose words fit."""
    types = [handler.task_type for handler in registry.all_handlers()]
    return Q(task_type__in=[name for name in types if fits(vocabulary.type_words(name))])


def _by_name(fits: Callable[[str], bool]) -> Q:
    return _types(lambda words: fits(words.name))


def _order_of_states() -> Combinable:
    return Case(
        *(When(state=state, then=Value(word)) for state, word in vocabulary.STATES.items()),
        output_field=CharField(),
    )


def _order_of_names() -> Combinable:
    types = [handler.task_type for handler in registry.all_handlers()]
    return Case(
        *(When(task_type=name, then=Value(vocabulary.type_words(name).name)) for name in types),
        default=F("task_type"),
        output_field=CharField(),
    )


# --- texts -----------------------------------------------------------------------------------------


def _exactly(text: Expression) -> Expression:
    """Return a text that compares by its characters, in whatever language the database is."""
    return Collate(text, "C") if connection.vendor == "postgresql" else text


def _compare(text: Expression, how: str, value: str) -> Q:
    if how == "in":
        # Not LIKE: SQLite's takes A for a, and fails on long patterns.
        return Q(GreaterThan(StrIndex(text, Value(value)), 0))
    return Q(_LOOKUPS[how](_exactly(text), Value(value)))


def _service() -> Expression:
    return Left("queue", vocabulary.SERVICE)


def _title() -> Expression:
    return Left("task__title", vocabulary.SUMMARY)


#: As `vocabulary.summary` says it.
_TITLED: Final = GreaterThanOrEqual(Length(Trim("task__title")), vocabulary.SHORTEST)


def _by_service(_actor: Actor, how: str, value: str) -> Q:
    return _compare(_service(), how, value)


def _by_summary(_actor: Actor, how: str, value: str) -> Q:
    titled = Q(_TITLED) & _compare(_title(), how, value)
    return titled | (~Q(_TITLED) & _types(lambda words: _PYTHON[how](words.summary, value)))


def _order_of_summaries() -> Combinable:
    types = [handler.task_type for handler in registry.all_handlers()]
    return Case(
        When(_TITLED, then=_title()),
        *(When(task_type=name, then=Value(vocabulary.type_words(name).summary)) for name in types),
        default=F("task_type"),
        output_field=CharField(),
    )


# --- numbers ---------------------------------------------------------------------------------------

_NUMBER: Final = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"


def _number(expression: Callable[[], Expression]) -> Field:
    def test(_actor: Actor, how: str, value: str) -> Q:
        if not re.fullmatch(_NUMBER, value):
            raise ValueRefused("a number: at most 15 digits before the point and 15 behind it")
        return Q(_LOOKUPS[how](expression(), Value(float(value), FloatField())))

    return Field(test, _COMPARED, _NUMBER, expression)


def _percent() -> Expression:
    """Return what `vocabulary.percent_done` returns, cut in the same way."""
    parts = Cast("processed", FloatField()) * Value(10_000.0) / Cast("total", FloatField())
    return Case(
        When(state__in=sorted(GOOD), then=Value(100.0)),
        When(total__gt=0, then=Floor(parts, output_field=FloatField()) / Value(100.0)),
        default=None,
        output_field=FloatField(),
    )


def _hint() -> Expression:
    return Cast("child_number", FloatField())


# --- times -----------------------------------------------------------------------------------------

_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d{1,9})?Z", re.ASCII
)
#: Days that there are, but for the 29th of February of full centuries.
_DAYS: Final = (
    "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-"
    "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    "|(?:0[13578]|1[02])-31)"
    "|[0-9]{2}(?:0[48]|[2468][048]|[13579][26])-02-29"
)
_TIMES: Final = f"(?:{_DAYS})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.,][0-9]{{1,9}})?Z"


def _moment(text: str) -> datetime:
    """Return a time; what is finer than a microsecond is cut."""
    if _MOMENT.fullmatch(text):
        fraction = re.split("[.,]", text[19:-1])[-1]
        try:
            at = datetime.fromisoformat(text[:19] + "Z")
            return at.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        except ValueError:
            pass
    raise ValueRefused("a time in UTC: 2026-03-04T08:15:31Z, with up to nine decimals")


def _time(column: str, also: Q | None = None) -> Field:
    lookups = {"eq": "exact", "lt": "lt", "gt": "gt", "lte": "lte", "gte": "gte"}

    def test(_actor: Actor, how: str, value: str) -> Q:
        return (also or Q()) & Q(**{f"{column}__{lookups[how]}": _moment(value)})

    def expression() -> Combinable:
        if also is not None:
            return Case(When(also, then=F(column)), default=None)
        return F(column)

    return Field(test, _COMPARED, _TIMES, expression)


# --- identifiers -----------------------------------------------------------------------------------


def _identifier(found: Callable[[Actor, str], Q], order: Any = None) -> Field:
    def test(actor: Actor, _how: str, value: str) -> Q:
        if not identities.is_identifier(value):
            raise ValueRefused("a UUID of version 4 or 5, or the nil one, in lower case")
        return found(actor, value)

    return Field(test, ("eq",), identities.PATTERN, order)


def _by_user(_actor: Actor, identifier: str) -> Q:
    return Q(owner_id__in=identities.user_keys(identifier))


def _by_creator(actor: Actor, identifier: str) -> Q:
    return Q(owner_id=None) if identifier == identities.NIL else _by_user(actor, identifier)


def _by_resource(actor: Actor, identifier: str) -> Q:
    stated = Q(resource_id__in=identities.resource_ids(actor, identifier))
    if identifier == identities.NIL:
        return stated | Q(resource_id=None) | Q(resource_id="")
    return stated


# --- labels ----------------------------------------------------------------------------------------


class _AnyLabel(Func):
    """Whether the name or the value of any label of the task compares so with a text."""

    output_field = BooleanField()
    arity = 2

    def __init__(self, part: str, how: str, value: str) -> None:
        super().__init__(F("task__labels"), Value(value, CharField()))
        self._part = part
        self._how = how

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> Any:  # type: ignore[override]
        """Return SQL that opens the JSON, for either database."""
        labels, value = self.source_expressions
        source, first = compiler.compile(labels)
        text, second = compiler.compile(value)
        write = _label_on_postgres if connection.vendor == "postgresql" else _label_on_sqlite
        return write(source, self._part, self._how, text), (*first, *second)


def _label_on_sqlite(source: str, part: str, how: str, text: str) -> str:
    test = f"instr(label.{part}, {text}) > 0"
    if how != "in":
        test = f"label.{part} {_SQL[how]} {text}"
    return f"EXISTS (SELECT 1 FROM json_each({source}) AS label WHERE {test})"  # noqa: S608 - of constants


def _label_on_postgres(source: str, part: str, how: str, text: str) -> str:
    if how == "eq":
        # Several times as fast as to open each row's labels.
        if part == "key":
            return f"jsonb_exists({source}, {text})"
        return (
            f"jsonb_path_exists({source}, '$.* ? (@ == $text)', "
            f"jsonb_build_object('text', {text}::text))"
        )
    test = f"strpos(label.{part}, {text}) > 0"
    if how != "in":
        test = f'label.{part} COLLATE "C" {_SQL[how]} {text}'
    return f"EXISTS (SELECT 1 FROM jsonb_each_text({source}) AS label WHERE {test})"  # noqa: S608 - of constants


_SQL: Final = {"eq": "=", "lt": "<", "gt": ">", "lte": "<=", "gte": ">="}


def _label(part: str) -> Field:
    def test(_actor: Actor, how: str, value: str) -> Q:
        return Q(_AnyLabel(part, how, value))

    return Field(test, (*_COMPARED, "in"), _TEXT)


#: As `filters` reads a value, within the length that it takes.
_TEXT: Final = """[a-z {}",-_]{1,4095}"""

#: The order of places, which an index knows.
CREATED: Final = "metadata.creationTimestamp"

FIELDS: Final[Mapping[str, Field]] = {
    "type": _constant(vocabulary.TYPE),
    "version": _constant(vocabulary.VERSION),
    "id": _identifier(lambda _, value: Q(pk=value), lambda: F("pk")),
    "name": _words(_by_name, _order_of_names),
    "summary": Field(_by_summary, (*_COMPARED, "in"), _TEXT, _order_of_summaries),
    "service": Field(_by_service, (*_COMPARED, "in"), _TEXT, lambda: F("queue")),
    "parentTaskID": _identifier(lambda _, value: Q(parent_id=value), lambda: F("parent_id")),
    "userID": _identifier(_by_user),
    "resourceID": _identifier(_by_resource),
    "state": _words(_by_state, _order_of_states),
    "orderHint": _number(_hint),
    "percentDone": _number(_percent),
    "startTime": _time("started_at"),
    "endTime": _time("finished_at"),
    "cancelTime": _time("finished_at", also=_by_state(lambda word: word == vocabulary.CANCELLED)),
    CREATED: _time("queued_at"),
    "metadata.modificationTimestamp": _time("modified_at"),
    "metadata.createdBy": _identifier(_by_creator),
    "metadata.labels[*].name": _label("key"),
    "metadata.labels[*].value": _label("value"),
}
ORDERED: Final = tuple(name for name, field in FIELDS.items() if field.order is not None)
