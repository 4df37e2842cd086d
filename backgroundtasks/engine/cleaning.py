"""What a handler says, made fit to be stored and shown."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Any, Final

from backgroundtasks.handlers import secrets

#: Neither database stores these in a text: NUL, and halves of surrogate pairs.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_LONGEST: Final = 20_000
_LARGEST: Final = 2**63 - 1


class Cleaner:
    """Takes the secrets of one run's parameters, and what no database stores, out of values."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters

    @cached_property
    def _secrets(self) -> list[str]:
        # The longest first: one may be part of another.
        return sorted(filter(None, secrets.opened(self._parameters)), key=len, reverse=True)

    def text(self, value: object) -> str:
        """Return a text without secrets, of at most 20,000 characters."""
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, secrets.MASK)
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:_LONGEST]

    def json(self, value: Any) -> Any:
        """Return JSON with every text in it cleaned; what is no JSON becomes a text."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, dict):
            return {self.text(name): self.json(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(inner) for inner in value]
        return self.text(value)


def count(value: Any) -> int:
    """Return a count that fits a column: 0 for what is none."""
    try:
        return min(max(int(value), 0), _LARGEST)
    except (TypeError, ValueError, OverflowError):
        return 0
