"""A file store of the test's own, and multipart bodies."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from pytest_django import Settings

from tickets import attachments
from tickets.attachments import Kind, Owner
from tickets.models import AgileRunStep, Attachment, AutomatedTestRun, ResultNode, StepResult


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


def attached(row: Any, content: bytes = b"png", name: str = "screen.png") -> Attachment:
    """Attach a file to a step, node, run or incident."""
    owner = owner_of(row)
    identity = attachments.store(owner.account_id, ContentFile(content))
    stored = attachments.Stored(identity, name, "image/png", len(content))
    [made] = attachments.attach(owner, [stored], None)
    return made


def owner_of(row: Any) -> Owner:
    """Return a step, node, run or incident as an owner of attachments."""
    run_id = getattr(row, "run_id", None)
    match row:
        case StepResult():
            kind, project = Kind.STEP_RESULT, row.run.assignment.script.project
        case AgileRunStep():
            kind, project = Kind.AGILE_STEP, row.run.project
        case AutomatedTestRun():
            kind, project = Kind.RUN, row.assignment.automated_test.project
        case ResultNode():
            kind, project = Kind.NODE, row.run.assignment.automated_test.project
        case _:
            kind, project = Kind.INCIDENT, row.project
    return Owner(kind, row.pk, project.account_id, project.pk, run_id=run_id)


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
