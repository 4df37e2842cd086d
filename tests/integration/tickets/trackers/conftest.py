from typing import Any

import pytest

from tests.support.trackers.builtin import BuiltinPlace


@pytest.fixture(params=["builtin"])
def place(request: Any, db: None) -> Any:
    """Return a tracker to try a connector against."""
    return {"builtin": BuiltinPlace}[request.param]()
