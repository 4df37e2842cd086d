"""
From the text of a query to its tree.

The parser is LALR: its time grows with the length of the text and it never recurses, so that hostile
input costs no more than its length. What would recurse later (the compiler walks the tree) is
limited here by `MAX_DEPTH`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from indexing.tql.errors import QueryInvalid
from indexing.tql.syntax import (
    Aggregate,
    Alternative,
    Both,
    Comparison,
    Condition,
    Count,
    Field,
    Function,
    GroupBy,
    Membership,
    Negation,
    Operator,
    Order,
    Position,
    Query,
    Related,
    Value,
    Words,
)

#: Longest text, in characters. A longer one is refused unread.
MAX_LENGTH = 60_000
#: Deepest nesting of NOT, AND, OR, Relationships and GROUP BY.
MAX_DEPTH = 40
#: Most comparisons and memberships in one query: databases limit the size of an expression.
MAX_CONDITIONS = 400
#: Most values in one list.
MAX_VALUES = 2_000

#: Words of the language: no field can be called so.
RESERVED = frozenset(
    {"AND", "OR", "NOT", "IN", "ORDER", "BY", "ASC", "DESC", "GROUP", "WHERE", "AS", "COUNT"}
)
#: A state that takes all of these takes any value, a reserved word too.
_IN_PLACE_OF_A_VALUE = frozenset({"WORD", "STRING", "GROUP", "AS"})
_QUOTES = "'\""
#: How the terminals are called in errors, in the order in which they are listed.
_SPOKEN = {
    "WORD": "a word",
    "STRING": "a quoted text",
    "OPERATOR": "an operator (= != ~ !~ < <= > >=)",
    "LEFT_PAREN": '"("',
    "RIGHT_PAREN": '")"',
    "LEFT_BRACKET": '"["',
    "RIGHT_BRACKET": '"]"',
    "LEFT_BRACE": '"{"',
    "RIGHT_BRACE": '"}"',
    "COMMA": '","',
    **{word: word for word in ("AND", "OR", "NOT", "IN", "ORDER", "GROUP", "BY", "COUNT")},
    **{word: word for word in ("WHERE", "AS", "ASC", "DESC")},
    "$END": "the end of the query",
}


def parse(text: str) -> Query:
    """
    Read a query.

    Args:
        text: At most `MAX_LENGTH` characters. An empty one asks for everything. One without any
            operator (`flaky checkout`) is free text: every word must occur.

    Raises:
        QueryInvalid: It breaks the grammar or a limit; says where, and what was expected there.
    """
    if len(text) > MAX_LENGTH:
        problem = f"it is {len(text)} characters long; at most {MAX_LENGTH} are allowed."
        raise QueryInvalid(problem, Position())
    _refuse_what_no_database_stores(text)
    try:
        query: Query = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedToken as error:
        raise QueryInvalid(*_unexpected(error, text)) from None
    except UnexpectedCharacters as error:
        raise QueryInvalid(*_unreadable(error)) from None
    _measure(query)
    return query


def _refuse_what_no_database_stores(text: str) -> None:
    for index, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            problem = f"the character U+{ord(character):04X} is not allowed."
            raise QueryInvalid(problem, _place(text, index))


def _measure(query: Query) -> None:
    """Refuse a tree that is too deep or too wide, without recursion."""
    waiting: list[tuple[Condition | Aggregate, int]] = [(part, 1) for part in query.aggregates]
    if query.condition is not None:
        waiting.append((query.condition, 1))
    conditions = 0
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise QueryInvalid(f"it is nested deeper than {MAX_DEPTH} levels.", Position())
        below = _parts(part)
        conditions += not below
        if isinstance(part, Membership) and _length(part.values) > MAX_VALUES:
            raise QueryInvalid(f"a list has more than {MAX_VALUES} values.", part.field.at)
        if conditions > MAX_CONDITIONS:
            raise QueryInvalid(f"it has more than {MAX_CONDITIONS} conditions.", Position())
        waiting.extend((each, depth + 1) for each in below)


def _length(values: tuple[Value, ...] | Function) -> int:
    return len(values.arguments if isinstance(values, Function) else values)


def _parts(part: Condition | Aggregate) -> tuple[Condition | Aggregate, ...]:
    match part:
        case Both() | Alternative():
            return part.conditions
        case Negation() | Related():
            return (part.condition,)
        case GroupBy():
            return part.aggregates
        case _:
            return ()


def _unexpected(error: UnexpectedToken, text: str) -> tuple[str, Position]:
    expected = _expected(set(error.accepts))
    if error.token.type == "$END":
        end = _place(text, len(text))
        return f"expected {_either(expected)}, but the query ends here.", end
    found = str(error.token)
    return f"expected {_either(expected)}, found {_cut(found)}.", _position(error.token)


def _unreadable(error: UnexpectedCharacters) -> tuple[str, Position]:
    at = Position(error.line, error.column)
    found = error.char
    if found in _QUOTES:
        return f"the text that begins here has no closing {found}", at
    return f"the character {found!r} means nothing here.", at


def _expected(accepted: set[str]) -> list[str]:
    if accepted >= _IN_PLACE_OF_A_VALUE:
        return ["a value"]
    return [spoken for name, spoken in _SPOKEN.items() if name in accepted]


def _either(choices: list[str]) -> str:
    if len(choices) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(choices)
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _cut(found: str, length: int = 40) -> str:
    return found if len(found) <= length else f"{found[:length]}…"


def _place(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _position(token: Token) -> Position:
    return Position(token.line or 1, token.column or 1)


def _reserve(token: Token) -> Token:
    """Give a reserved word its own terminal; any case will do."""
    upper = token.upper()
    return Token.new_borrow_pos(upper, token, token) if upper in RESERVED else token


def _text(token: Token) -> str:
    """Take the quotes off; inside, the quote itself is written twice."""
    if token.type != "STRING":
        return str(token)
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def _value(token: Token) -> Value:
    return Value(_text(token), at=_position(token))


def _only(children: list[Any], *kinds: type) -> tuple[Any, ...]:
    """Leave out keywords, brackets and what was not written."""
    return tuple(child for child in children if isinstance(child, kinds))


def _first(children: list[Any], *kinds: type) -> Any:
    return next(iter(_only(children, *kinds)), None)


def _joined(kind: type[Both | Alternative], conditions: tuple[Condition, ...]) -> Condition:
    """One condition stands for itself; `(a AND b) AND c` is one list of three."""
    if len(conditions) == 1:
        return conditions[0]
    flat: list[Condition] = []
    for condition in conditions:
        flat.extend(condition.conditions if isinstance(condition, kind) else (condition,))
    return kind(tuple(flat))


def _is_not(child: object) -> bool:
    return isinstance(child, Token) and child.type == "NOT"


class _Builder(Transformer[Token, Query]):
    """Builds each part as the parser recognises it; a method is called like its rule."""

    def search(self, children: list[Any]) -> Query:
        return Query(condition=_first(children, *_CONDITIONS), order=_first(children, tuple) or ())

    def free_text(self, children: list[Any]) -> Query:
        return self.search(children)

    def summary(self, children: list[Any]) -> Query:
        aggregates, *rest = children
        return replace(self.search(rest), aggregates=aggregates.parts)

    def alternative(self, children: list[Any]) -> Condition:
        return _joined(Alternative, _only(children, *_CONDITIONS))

    def both(self, children: list[Any]) -> Condition:
        return _joined(Both, _only(children, *_CONDITIONS))

    def negation(self, children: list[Any]) -> Condition:
        return Negation(_first(children, *_CONDITIONS))

    def bracketed(self, children: list[Any]) -> Any:
        return _first(children, *_CONDITIONS)

    def comparison(self, children: list[Any]) -> Condition:
        field, operator, value = children
        return Comparison(field, Operator(str(operator)), value)

    def membership(self, children: list[Any]) -> Condition:
        found = Membership(children[0], children[-1])
        return Negation(found) if any(map(_is_not, children)) else found

    def related(self, children: list[Any]) -> Condition:
        found = Related(children[0], _first(children, *_CONDITIONS))
        return Negation(found) if any(map(_is_not, children)) else found

    def choices(self, children: list[Any]) -> tuple[Value, ...]:
        return _only(children, Value)

    def function(self, children: list[Any]) -> Function:
        name = children[0]
        return Function(str(name), _only(children, Value), at=_position(name))

    def words(self, children: list[Any]) -> Words:
        return Words(tuple(map(_value, children)))

    def field(self, children: list[Any]) -> Field:
        (name,) = children
        return Field(str(name), at=_position(name))

    def value(self, children: list[Any]) -> Value:
        (token,) = children
        return _value(token)

    def order(self, children: list[Any]) -> tuple[Order, ...]:
        return _only(children, Order)

    def ordering(self, children: list[Any]) -> Order:
        field, direction = children
        return Order(field, descending=direction is not None and direction.type == "DESC")

    def aggregates(self, children: list[Any]) -> _Aggregates:
        return _Aggregates(_only(children, Count, GroupBy))

    def count(self, children: list[Any]) -> Count:
        return Count(_first(children, _Label))

    def group(self, children: list[Any]) -> GroupBy:
        aggregates = _first(children, _Aggregates)
        return GroupBy(_first(children, Field), aggregates.parts, _first(children, _Label))

    def label(self, children: list[Any]) -> _Label:
        return _Label(_text(children[0]))


class _Label(str):
    """The name after AS; a type of its own tells it from the tokens around it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Aggregates:
    parts: tuple[Aggregate, ...]


_CONDITIONS = (Comparison, Membership, Related, Words, Negation, Both, Alternative)


@cache
def _parser() -> Lark:
    return Lark(
        Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        lexer_callbacks={"WORD": _reserve},
        transformer=_Builder(),
        maybe_placeholders=True,
    )
