"""Somebody who calls, and the two ways to an answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.astra import SHORTCUT
from tests.support.http import Caller


@pytest.fixture
def caller() -> Caller:
    """A member."""
    return Caller()


@pytest.fixture(params=["shortcut", "view"])
def through(request: pytest.FixtureRequest, settings: Any) -> str:
    """Every promise holds on both ways to the answer."""
    if request.param == "view":
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]
    return request.param
