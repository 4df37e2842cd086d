"""
`filter`: `state eq 'running',percentDone gte '50'`, as a list of conditions.

The grammar is a list of tests with no nesting, so it is read from left to right, and what does
not fit is named with its position.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Conditions of one request.
MOST: Final = 50
LONGEST_VALUE: Final = 4095

_FIELD: Final = re.compile(r"[0-9A-Za-z]+(?:\[\*\])?(?:\.[0-9A-Za-z]+(?:\[\*\])?)*")
#: One blank; a literal `%20` stands for one in the vendor's grammar.
_BLANK: Final = re.compile(r" |%20")
_OPERATOR: Final = re.compile(r"(?:eq|gte|gt|lte|lt|in)(?![0-9A-Za-z])")
_COMMA: Final = re.compile(",")
_QUOTE: Final = re.compile("'")
#: Letters, digits, blank, `{ } "`, and everything from `,` to `_` in ASCII.
_VALUE: Final = re.compile(r"""[a-z {}",-_]+""")


class FilterRefused(ValueError):
    """The text is no filter; the message names the position, counted from 1."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of a member."""

    field: str
    operator: str
    value: str
    #: Where it begins in its parameter, counted from 1.
    position: int


def parse(text: str) -> list[Condition]:
    """
    Return the conditions of a `filter` parameter; all of them must hold.

    Raises:
        FilterRefused: it is no comma-separated list of `member operator 'value'`.
    """
    reader = _Reader(text)
    conditions = [reader.condition()]
    while not reader.at_end():
        reader.comma()
        conditions.append(reader.condition())
        if len(conditions) > MOST:
            raise FilterRefused(f"there are more than {MOST} conditions")
    return conditions


class _Reader:
    """Takes one piece after the other from a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def comma(self) -> None:
        self._take(_COMMA, "a comma or the end")

    def condition(self) -> Condition:
        position = self._at + 1
        field = self._take(_FIELD, "the name of a member")
        self._take(_BLANK, "one blank")
        operator = self._take(_OPERATOR, "one of eq, lt, gt, lte, gte, in")
        self._take(_BLANK, "one blank")
        self._take(_QUOTE, "a quote (') before the value")
        value = self._take(_VALUE, "a value of the characters that a filter may have")
        self._take(_QUOTE, "a quote (') after the value")
        if len(value) > LONGEST_VALUE:
            raise FilterRefused(
                f"the value at position {position} has more than {LONGEST_VALUE} characters"
            )
        return Condition(field, operator, value, position)

    def _take(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise FilterRefused(f"at position {self._at + 1} there should be {what}")
        self._at = found.end()
        return found[0]
