"""For all tests."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long ones, which have a limit of their own, first: no core waits for the last."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
