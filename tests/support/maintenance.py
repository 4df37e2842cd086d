"""An installation with a store for backups, files and a folder for maintenance of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.test import override_settings

from backgroundtasks.maintenance import sealing
from backgroundtasks.maintenance.databases import sqlite


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of the test's own; a key that costs no time."""
    monkeypatch.setattr(sealing, "_LOG2_N", 1)
    if connection.in_atomic_block:
        # The test's own transaction keeps away the moment that a backup of SQLite waits for.
        monkeypatch.setattr(sqlite, "_MOMENT", 0.0)
    uploads = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "files")},
    }
    keys = tmp_path / "data_keys"
    keys.write_text(Path(settings.TASKCENTER["DATA_KEYS_FILE"]).read_text())
    with override_settings(
        STORAGES=settings.STORAGES | {"uploads": uploads},
        TASKCENTER=settings.TASKCENTER
        | {
            "BACKUP_STORES": {"default": str(tmp_path / "backups")},
            "BACKUP_ROOTS": [str(tmp_path / "backups")],
            "MAINTENANCE_DIR": str(tmp_path / "maintenance"),
            "DATA_KEYS_FILE": str(keys),
            "DATA_KEYS": (),
        },
    ):
        yield tmp_path
    storages._storages.clear()  # type: ignore[attr-defined]
