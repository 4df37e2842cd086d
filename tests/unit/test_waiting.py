"""A wait in vain tells what was known at its end."""

from __future__ import annotations

import pytest

from tests.support.waiting import wait_for


def test_the_text_of_a_wait_is_made_when_it_was_in_vain() -> None:
    log: list[str] = []

    def happens() -> bool:
        log.append("died")
        return False

    with pytest.raises(AssertionError, match=r"in vain for it; \['died'\]"):
        wait_for(happens, lambda: f"it; {log[:1]}", limit=0)
