"""
`$filter` and `$orderby` as conditions of a queryset.

A resource says which of its members may be asked for, and where they are stored:
`{"Name": "name", "Owner": "owner__username"}`. A member whose inner names are anybody's is
asked for by them, as `Labels/team eq 'core'` or `Labels/'cost centre' eq null`:
`{"Labels": Keyed(has_label)}`. Everything else is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.constants import LOOKUP_SEP
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware
from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from backgroundtasks.api.errors import Refused

if TYPE_CHECKING:
    from django.db.models import Field


@dataclass(frozen=True, slots=True)
class Keyed:
    """A member of texts with names of their own."""

    #: Name and value to a condition; value None: it has one of the name.
    has: Callable[[str, str | None], Q]


#: Wire name to the path of the column, as for `filter()`.
Members = Mapping[str, str | Keyed]

LONGEST: Final = 2000
_DEEPEST: Final = 20
_MOST_TESTS: Final = 50
_parser: Final = Lark(
    Path(__file__).with_name("odata.lark").read_text(), parser="lalr", propagate_positions=True
)
_LOOKUPS: Final = {"eq": "exact", "gt": "gt", "ge": "gte", "lt": "lt", "le": "lte"}
_TEXTS: Final = {
    "substringof": "icontains",
    "contains": "icontains",
    "startswith": "istartswith",
    "endswith": "iendswith",
}


def condition(text: str, model: type[models.Model], members: Members) -> Q:
    """
    Return a `$filter` as a condition: `Name eq 'x' and substringof('y', Name) eq true`.

    Operators: `eq ne gt ge lt le and or not ( )`; functions: `substringof('x', Name)`,
    `contains`, `startswith` and `endswith` (`startswith(Name, 'x')`), without regard to
    letter case. Texts stand in `'…'` (a quote is doubled), times as `2024-03-05T08:15:42Z`
    or `datetime'…'`, ids bare, quoted or as `guid'…'`.

    Raises:
        Refused: names the position of what does not fit, or the member that is unknown.
    """
    if len(text) > LONGEST:
        raise Refused(f"$filter is longer than {LONGEST} characters.")
    if text.count("(") > _DEEPEST or text.lower().count("not") > _DEEPEST:
        raise Refused(f"$filter is nested more than {_DEEPEST} deep.")
    try:
        return Q(_Conditions(model, members).transform(_parser.parse(text)))
    except UnexpectedInput as error:
        place = "its end" if error.column < 0 else f"position {error.column}"
        raise Refused(f"$filter is not understood at {place}.") from None
    except VisitError as error:
        if isinstance(error.orig_exc, Refused):
            raise error.orig_exc from None
        raise


def order(text: str, members: Members) -> list[str]:
    """
    Return an `$orderby` as for `order_by()`: `Name desc, CreatedAt`.

    Raises:
        Refused: a member that is unknown, or another word than `asc` and `desc`.
    """
    columns = []
    for part in text.split(","):
        name, _, direction = part.strip().partition(" ")
        direction = direction.strip().lower()
        if direction not in {"", "asc", "desc"}:
            raise Refused(f"$orderby takes asc or desc, not {direction[:50]!r}.")
        columns.append(("-" if direction == "desc" else "") + _column(name, members))
    return columns


@v_args(inline=True)
class _Conditions(Transformer[Token, Q]):
    """The tree of a `$filter`, from its leaves up."""

    def __init__(self, model: type[models.Model], members: Members) -> None:
        super().__init__()
        self._model = model
        self._members = members

    def value(self, token: Token) -> Token:
        return token

    def field(self, token: Token) -> _Name:
        return _Name(token)

    def comparison(self, name: Token, compare: Token, value: Token) -> Q:
        how = compare.lower()
        keyed = _keyed(str(name), self._members)
        if keyed is not None:
            return _inner(*keyed, how, value)
        column = _column(str(name), self._members)
        if value.type == "NULL":
            if how not in {"eq", "ne"}:
                raise Refused("null can only be compared by eq and ne.")
            return Q(**{f"{column}__isnull": how == "eq"})
        wanted = _typed(value, _field(self._model, column), str(name))
        if how == "ne":
            return ~Q(**{column: wanted})
        return Q(**{f"{column}__{_LOOKUPS[how]}": wanted})

    def call(self, function: Token, first: Token | _Name, second: Token | _Name) -> Q:
        names = [part for part in (first, second) if isinstance(part, _Name)]
        texts = [part for part in (first, second) if not isinstance(part, _Name)]
        if len(names) != 1 or texts[0].type != "STRING":
            raise Refused(f"{function} takes a member and a text in quotes.")
        column = _column(str(names[0]), self._members)
        field = _field(self._model, column)
        if not isinstance(field, models.CharField | models.TextField):
            raise Refused(f"{function} needs a text, and {names[0]} is none.")
        return Q(**{f"{column}__{_TEXTS[function.lower()]}": _unquoted(texts[0])})

    def answered(self, called: Q, compare: Token, answer: Token) -> Q:
        wanted = (answer.lower() == "true") == (compare.lower() == "eq")
        return called if wanted else ~called

    def negation(self, _word: Token, inner: Q) -> Q:
        return ~inner

    def disjunction(self, *parts: Q | Token) -> Q:
        return reduce(operator.or_, _tests(parts))

    def conjunction(self, *parts: Q | Token) -> Q:
        return reduce(operator.and_, _tests(parts))


class _Name(str):
    """A member's name as an argument."""

    __slots__ = ()


def _tests(parts: tuple[Q | Token, ...]) -> list[Q]:
    tests = [part for part in parts if isinstance(part, Q)]
    if len(tests) > _MOST_TESTS:
        raise Refused(f"$filter has more than {_MOST_TESTS} tests.")
    return tests


def _column(name: str, members: Members) -> str:
    """Return where a member is stored; names fit in any letter case."""
    for known, column in members.items():
        if known.lower() == name.strip().lower() and isinstance(column, str):
            return column
    listed = ", ".join(sorted(members))
    raise Refused(f"There is no member {name.strip()[:50]!r} here; there are {listed}.")


def _keyed(name: str, members: Members) -> tuple[Keyed, str] | None:
    """Return the member and the inner name that `Labels/team` asks for; None for other names."""
    outer, _, inner = name.partition("/")
    for known, member in members.items():
        if inner and isinstance(member, Keyed) and known.lower() == outer.lower():
            return member, inner[1:-1].replace("''", "'") if inner.startswith("'") else inner
    return None


def _inner(member: Keyed, name: str, how: str, value: Token) -> Q:
    """Return the test of one inner name."""
    if how not in {"eq", "ne"} or value.type not in {"STRING", "NULL"}:
        raise Refused(f"{name[:50]!r} can only be compared by eq and ne, with a text or null.")
    if value.type == "NULL":
        return ~member.has(name, None) if how == "eq" else member.has(name, None)
    found = member.has(name, _unquoted(value))
    return found if how == "eq" else ~found


def _field(model: type[models.Model], column: str) -> Field[Any, Any]:
    """Return the model field at the end of a path."""
    names = column.split(LOOKUP_SEP)
    for name in names[:-1]:
        related: Any = model._meta.get_field(name).related_model  # noqa: SLF001 - documented API
        model = related
    field: Any = model._meta.pk if names[-1] == "pk" else model._meta.get_field(names[-1])  # noqa: SLF001
    while field.remote_field is not None:
        field = field.target_field
    found: Field[Any, Any] = field
    return found


def _typed(value: Token, field: Field[Any, Any], name: str) -> Any:
    """Return a literal as a value of the column."""
    text = _unquoted(value)
    if not _is_for(value, field):
        raise Refused(f"{value[:50]} is no value of {name}.")
    try:
        if isinstance(field, models.DateTimeField):
            return _moment(text)
        wanted = field.to_python(text)
        field.run_validators(wanted)
    except (ValidationError, ValueError, OverflowError):
        raise Refused(f"{value[:50]} is no value of {name}.") from None
    return wanted


def _is_for(value: Token, field: Field[Any, Any]) -> bool:
    """Whether this kind of literal can be a value of the column."""
    if isinstance(field, models.BooleanField):
        return value.type == "BOOLEAN"
    return not (isinstance(field, models.CharField | models.TextField) and value.type == "TYPED")


def _moment(text: str) -> Any:
    """Return a time; without a zone it is UTC, without a time of day it is midnight."""
    at = parse_datetime(text) or parse_datetime(f"{text}T00:00:00")
    if at is None:
        raise ValueError(text)
    return make_aware(at) if is_naive(at) else at


def _unquoted(value: Token) -> str:
    if value.type == "STRING":
        return value[1:-1].replace("''", "'")
    if value.type == "TYPED":
        return value.partition("'")[2][:-1]
    return value.capitalize() if value.type == "BOOLEAN" else str(value)
