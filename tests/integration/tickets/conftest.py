from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def file_store(settings: Settings, tmp_path: Path) -> Path:
    """Keep uploads in a folder of the test's own."""
    folder = tmp_path / "files"
    settings.STORAGES = {
        **settings.STORAGES,
        "uploads": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder)},
        },
    }
    return folder
