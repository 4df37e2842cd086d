"""Wait for a condition, with a limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T], what: str | Callable[[], str], *, limit: float = 30.0
) -> T:
    """
    Return the condition's first true value; fail after `limit` seconds.

    Args:
        condition: Asked until it is true.
        what: For the failure's text; a function of what is known by then only, as a log is.
        limit: Seconds.
    """
    until = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"Waited {limit:g} s in vain for {told}.")
        time.sleep(0.02)
