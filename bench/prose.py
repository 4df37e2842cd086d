"""Texts as installations hold them, from a seed: what runs say, and what they say where they fail."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONSETS: Final = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr",
    "pr", "cl", "gr", "sh", "ch",
)  # fmt: skip
_VOWELS: Final = ("a", "e", "i", "o", "u", "ea", "ou", "io", "ai")
_ENDS: Final = (
    "n", "r", "s", "t", "l", "d", "m", "ck", "nd", "st", "tion", "ing", "er", "ed", "ly", "ment",
)  # fmt: skip
_WORDS: Final = 12_000
#: More than a compressor looks back: hardly any is met again within its window.
_SENTENCES: Final = 100_000
#: Of them, those that are a program's own.
_SAID: Final = 3_000
#: One message in so many quotes another sentence, and in so many is a failure.
_QUOTES: Final = 4
_FAILURES: Final = 24


def messages(seed: int) -> Iterator[tuple[str, str]]:
    """
    Yield text and parameters (JSON) of what runs say, without an end.

    Words come as often as in a language: the second half as often as the first, the third a
    third as often, and so on. Numbers, ids and times are everybody's own.
    """
    chance = random.Random(seed)
    words = _vocabulary(chance)
    often = [*itertools.accumulate(1 / (rank + 3) for rank in range(_WORDS))]
    sentences = [
        " ".join(chance.choices(words, cum_weights=often, k=chance.randint(5, 16)))
        for _ in range(_SENTENCES)
    ]
    while True:
        number, identifier = chance.getrandbits(20), f"{chance.getrandbits(64):016x}"
        parameters = json.dumps(
            {"id": identifier, "seconds": round(chance.random() * 30, 3), "count": number}
        )
        # What a program says is one of few sentences, now and then with words of somebody else's.
        text = f"{sentences[int(chance.random() ** 3 * _SAID)]} {number} of {identifier}"
        if not number % _QUOTES:
            text += f": {chance.choice(sentences)}"
        if not number % _FAILURES:
            text += _traceback(chance, words, sentences)
        yield text, parameters


def _vocabulary(chance: random.Random) -> list[str]:
    """Return words, the common ones first; those are short."""
    found: dict[str, None] = {}
    while len(found) < _WORDS:
        syllables = 1 + (len(found) > 200) + (len(found) > 4000)
        start = "".join(chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(syllables))
        found[start + chance.choice(_ENDS)] = None
    return [*found]


def _traceback(chance: random.Random, words: list[str], sentences: list[str]) -> str:
    lines = ["\nTraceback (most recent call last):"]
    for _ in range(chance.randint(4, 12)):
        package, module, function, call = chance.choices(words, k=4)
        lines.append(
            f'  File "/srv/{package}/{module}.py", line {chance.randint(1, 900)}, in {function}\n'
            f"    return self.{call}({', '.join(chance.choices(words, k=2))})"
        )
    lines.append(f"{chance.choice(words).title()}Error: {chance.choice(sentences)}")
    return "\n".join(lines)
