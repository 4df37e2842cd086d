"""The database does not answer: a request says so, in shape, and the log in one line."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from backgroundtasks.lifecycle import store
from tests.support import factories
from tests.support.http import SHORTCUT, Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["shortcut", "view"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_is_503_and_one_line(
    way: str, method: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if way == "view":
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORTCUT]
    caller = Caller()
    run = factories.run(owner=caller.actor)
    path = f"/api/backgroundtask/work-{run.pk}"
    assert caller.get(path).status_code == 200

    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly\n\tThis probably means")

    # The statement that stores a run goes past Django's cursors on PostgreSQL.
    with connection.execute_wrapper(gone), pytest.MonkeyPatch.context() as patch:
        patch.setattr(store(), "insert", gone)
        if method == "GET":
            answer = caller.get(path)
        else:
            answer = caller.post("/api/backgroundtasks", {"Type": "Work"})

    assert (answer.status_code, list(answer.json())) == (503, ["Message"])
    assert answer["Retry-After"] == "5"
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "database.away error=server closed the connection unexpectedly"
    ]
    assert caller.get(path).status_code == 200
