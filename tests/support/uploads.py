"""A file store of the test's own, and multipart bodies."""

import uuid
from pathlib import Path

import pytest
from pytest_django import Settings


@pytest.fixture
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


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def multipart(*parts: tuple[str, bytes], kind: str = "form-data") -> tuple[bytes, str]:
    """Return a body and its Content-Type; a part is its headers, as lines, and its content."""
    boundary = uuid.uuid4().hex
    body = b"".join(
        f"--{boundary}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
        for headers, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/{kind}; boundary={boundary}"


def one_file(content: bytes, name: str = "report", kind: str = "form-data") -> tuple[bytes, str]:
    """Return a body with one file in a part of this name."""
    headers = (
        f'Content-Disposition: form-data; name="{name}"; filename="report.xml"\r\n'
        "Content-Type: text/xml"
    )
    return multipart((headers, content), kind=kind)
