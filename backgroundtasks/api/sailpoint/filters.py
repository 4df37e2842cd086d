"""
`filters`: from the text to a tree of tests, each allowed by the version that was asked.

The parser is LALR: its time grows with the length of the text and it never recurses. What would
recurse later is limited by `DEEPEST`, what a database gets by `MOST_TESTS` and `MOST_VALUES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from backgroundtasks.api.sailpoint.errors import Problem, illegal_value

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Negations, `and` and `or` within each other.
DEEPEST: Final = 20
MOST_TESTS: Final = 100
#: Values of all tests.
MOST_VALUES: Final = 1000
#: What is counted before anything is read, as reading takes its time: 1 ms for 50 words.
_MOST_WORDS: Final = 2 * (MOST_VALUES + MOST_TESTS)
_MOST_QUOTES: Final = 2 * (MOST_VALUES + MOST_TESTS)
_MOST_BRACKETS: Final = 5 * MOST_TESTS

_ESCAPED: Final = re.compile(r"\\(.)")
_RESERVED: Final = {
    "or": "OR",
    "and": "AND",
    "not": "NOT",
    "isnull": "ISNULL",
    "pr": "PR",
    "in": "AMONG",
    "ca": "AMONG",
    "true": "BOOLEAN",
    "false": "BOOLEAN",
    **dict.fromkeys(("eq", "ne", "co", "sw", "gt", "ge", "lt", "le"), "COMPARE"),
}
#: How terminals are called in errors, in the order in which they are listed.
_SPOKEN: Final = {
    "WORD": "a field",
    "NOT": "not",
    "PR": "pr",
    "COMPARE": "eq",
    "AMONG": "in",
    "ISNULL": "isnull",
    "STRING": 'a text in "…"',
    "AND": "and",
    "OR": "or",
    "LPAR": '"("',
    "RPAR": '")"',
    "COMMA": '","',
    "$END": "the end",
}


@dataclass(frozen=True, slots=True)
class Test:
    """`field eq "…"`, `field in ("…", "…")`, or without values `field isnull`."""

    field: str
    operator: str
    values: tuple[str, ...]
    #: Where it stands in the text, from 1.
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """What does not fit."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """What fits all parts: two or more."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """What fits one part at least: two or more."""

    parts: tuple[Node, ...]


Node = Test | Not | All | Some


def parse(text: str, operators: Mapping[str, tuple[str, ...]]) -> Node:
    """
    Return what a filter asks for.

    Args:
        text: As decoded from the query string.
        operators: Of the version, by field: `{"id": ("eq", "in")}`.

    Raises:
        Problem: it breaks the grammar, a limit, or the version's table; says where.
    """
    _require_short(text)
    try:
        found: Node = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedToken as error:
        raise _unexpected(error, text) from None
    except UnexpectedCharacters as error:
        at: Any = error.pos_in_stream  # its class says None
        raise _invalid(at + 1, _unreadable(error.char)) from None
    _check(found, operators)
    return found


def _require_short(text: str) -> None:
    """Refuse a text that would take long to read, without reading it."""
    if (
        text.count('"') > _MOST_QUOTES
        or text.count("(") > _MOST_BRACKETS
        or len(text.split(maxsplit=_MOST_WORDS)) > _MOST_WORDS
    ):
        raise illegal_value(
            f"filters takes at most {MOST_TESTS} tests and {MOST_VALUES} values, nested at most "
            f"{DEEPEST} deep."
        )


def _check(found: Node, operators: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse tests that the version does not have, and a tree that is too deep or too wide."""
    level = [found]
    tests = values = 0
    for _ in range(DEEPEST):
        for test in level:
            if isinstance(test, Test):
                _check_test(test, operators)
                tests, values = tests + 1, values + len(test.values)
        level = [part for node in level for part in _parts(node)]
        if not level:
            break
    if level or tests > MOST_TESTS or values > MOST_VALUES:
        raise illegal_value(
            f"filters takes at most {MOST_TESTS} tests and {MOST_VALUES} values, nested at most "
            f"{DEEPEST} deep."
        )


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Not):
        return (node.part,)
    return () if isinstance(node, Test) else node.parts


def _check_test(test: Test, operators: Mapping[str, tuple[str, ...]]) -> None:
    known = operators.get(test.field)
    if known is None:
        listed = ", ".join(operators)
        raise _invalid(test.at, f'there is no field "{test.field[:50]}" here; there are {listed}.')
    if test.operator not in known:
        listed = ", ".join(known)
        raise _invalid(test.at, f"{test.field} takes {listed} here, not {test.operator}.")
    for value in test.values:
        if not isinstance(value, str):
            raise _invalid(test.at, f'{test.field} is a text: write it in "…".')
        if "\0" in value:
            raise _invalid(test.at, "a text holds a NUL character.")


def _invalid(at: int, text: str) -> Problem:
    return illegal_value(f"filters is not valid at position {at}: {text}")


def _unexpected(error: UnexpectedToken, text: str) -> Problem:
    expected = [spoken for name, spoken in _SPOKEN.items() if name in error.accepts]
    wanted = " or ".join(expected)
    if error.token.type == "$END":
        return _invalid(len(text) + 1, f"expected {wanted}, but it ends here.")
    return _invalid(_place(error.token), f"expected {wanted}, found {str(error.token)[:40]}.")


def _unreadable(character: str) -> str:
    if character == '"':
        return 'the text that begins here has no closing ".'
    return f"the character {character!r} means nothing here."


def _place(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _reserve(token: Token) -> Token:
    """Give a reserved word its own terminal."""
    name = _RESERVED.get(token)
    return Token.new_borrow_pos(name, token, token) if name else token


def _unquoted(token: Token) -> str:
    """Return a text without its quotes and backslashes."""
    return _ESCAPED.sub(r"\1", token[1:-1])


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Builds each part as the parser recognises it; a method is called like its rule."""

    def value(self, token: Token) -> Any:
        return None if token.type != "STRING" else _unquoted(token)

    def comparison(self, field: Token, operator: Token, value: Any) -> Test:
        return Test(str(field), str(operator), (value,), _place(field))

    def membership(self, field: Token, operator: Token, *values: Any) -> Test:
        return Test(str(field), str(operator), values, _place(field))

    def isnull(self, field: Token, operator: Token) -> Test:
        return Test(str(field), str(operator), (), _place(field))

    def present(self, operator: Token, field: Token) -> Test:
        return Test(str(field), str(operator), (), _place(field))

    def negation(self, _word: Token, part: Node) -> Node:
        return part.part if isinstance(part, Not) else Not(part)

    def conjunction(self, *parts: Node | Token) -> Node:
        return _joined(All, parts)

    def disjunction(self, *parts: Node | Token) -> Node:
        return _joined(Some, parts)


def _joined(kind: type[All | Some], parts: tuple[Node | Token, ...]) -> Node:
    """Return one part as itself, and `(a and b) and c` as one of three."""
    flat: list[Node] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.parts)
        elif not isinstance(part, Token):
            flat.append(part)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


@cache
def _parser() -> Lark:
    return Lark(
        Path(__file__).with_name("filters.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        lexer_callbacks={"WORD": _reserve},
        transformer=_Builder(),
    )
