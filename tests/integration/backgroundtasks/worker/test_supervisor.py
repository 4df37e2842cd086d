"""The worker command in its own process."""

from __future__ import annotations

import gc
import signal
from typing import Any

import pytest
from django.db import connection, connections

from backgroundtasks.engine import cluster
from backgroundtasks.worker.supervisor import Supervisor


def test_a_sentinel_that_dies_while_it_starts_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def died(_cluster: Any) -> None:
        raise RuntimeError("failed to start: sentinel exited with code -9")

    monkeypatch.setattr(cluster.stock.Cluster, "start", died)
    # What the command does to its process is not for this one.
    for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS"):
        monkeypatch.setitem(connections.settings["default"], name, connection.settings_dict[name])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(gc, "freeze", lambda: None)

    assert Supervisor(workers=1, queues=["default"]).run() == 1
    assert "workers.sentinel_died" in caplog.text
