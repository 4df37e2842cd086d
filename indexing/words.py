"""
What can be searched for in a text: its words.

A word is a run of letters and digits, in lower case and without accents. A word with humps
(`FlakyTest`) is kept whole and also taken apart, so that `refund_is_rounded`, `testFlaky[1]` and
`io.olamy.FlakyTest` are found by any word in them. Indexes and queries both go through this module,
on every database, so that all agree on what a word is.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters of a word that count; PostgreSQL takes no lexeme over 2 KB.
MAX_WORD = 200

# Between texts while many are worked on as one; no text holds it, for PostgreSQL stores none.
_SEPARATOR = "\0"
_SPACES = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) != _SEPARATOR}
# The capital first: at every other letter the engine is done with one look.
_HUMP = re.compile(r"(?=[A-Z])(?:(?<=[a-z0-9])|(?<=[A-Z])(?=[A-Z][a-z]))")
_NOT_WORDS = re.compile(r"[^\w\0]|_")
#: Scripts that put no space between words: each character is one.
_UNSPACED = re.compile(r"([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])")


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query: found whole, or (with humps) as all of its pieces."""

    word: str
    pieces: tuple[str, ...] = ()


def terms(text: str) -> list[Term]:
    """Return what a text to search for asks for; each term must occur, as a word's beginning."""
    found: dict[str, Term] = {}
    for part in _spaced(text.replace(_SEPARATOR, " ")).split():
        word = _small(part)[:MAX_WORD]
        pieces = tuple(_small(piece)[:MAX_WORD] for piece in _HUMP.sub(" ", part).split())
        found[word] = Term(word, pieces if len(pieces) > 1 else ())
    return list(found.values())


def fold(text: str) -> str:
    """Return the text as it is compared: in lower case, without accents."""
    return text.lower() if text.isascii() else _small(_bare(text))


def fold_all(texts: Sequence[str]) -> list[str]:
    """Return `fold` of each text; much faster than one by one when all are ASCII."""
    joined = _SEPARATOR.join(texts)
    if not joined.isascii():
        return [fold(text) for text in texts]
    return _apart(joined.lower(), texts) or [text.lower() for text in texts]


def split_all(texts: Sequence[str]) -> list[str]:
    """
    Return the words of each text, with one or more spaces between them.

    A thousand names cost little more than a microsecond each: they are worked on as one text.
    """
    joined = _spaced(_SEPARATOR.join(texts))
    whole = _apart(_small(joined), texts)
    if whole is None:
        return [split_all([text.replace(_SEPARATOR, " ")])[0] for text in texts]
    humps = _apart(_small(_HUMP.sub(" ", joined)), texts) or whole
    return [
        words if words == pieces else f"{words} {pieces}"
        for words, pieces in zip(whole, humps, strict=True)
    ]


def _apart(joined: str, texts: Sequence[str]) -> list[str] | None:
    """Take texts apart again; None when one of them held the separator."""
    if not texts:
        return []
    parts = joined.split(_SEPARATOR)
    return parts if len(parts) == len(texts) else None


def _spaced(text: str) -> str:
    """Put spaces where a word ends, and keep letter case."""
    if text.isascii():
        return text.translate(_SPACES)
    return _UNSPACED.sub(r" \1 ", _NOT_WORDS.sub(" ", _bare(text)))


def _small(text: str) -> str:
    return text.lower() if text.isascii() else text.casefold()


def _bare(text: str) -> str:
    """Take accents and other marks off: é is e, ﬁ is fi."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(each for each in parts if not unicodedata.category(each).startswith("M"))
