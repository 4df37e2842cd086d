"""Attachments are in backups, and come back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backgroundtasks import closed, scheduling
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import restore, stores
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from tests.support.http import Caller
from tests.support.maintenance import installation
from tests.support.projects import IncidentFactory
from tests.support.uploads import attached, files_in
from tickets import attachments
from tickets.models import Attachment

__all__ = ["installation"]

pytestmark = pytest.mark.django_db(transaction=True)

PASSCODE = "correct horse"


@pytest.fixture
def reopened() -> Iterator[None]:
    yield
    closed.reopen()


@pytest.mark.usefixtures("reopened")
def test_rows_and_files_come_back_together(installation: Path) -> None:
    caller = Caller()
    incident = IncidentFactory.create(project__account=caller.actor.account)
    kept = attached(incident, b"evidence" * 50_000, "screen.png")
    deleted = attached(incident, b"was deleted since", "log.txt")
    name = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"]
    list(attachments.remove(Attachment.objects.filter(pk=deleted.pk)))
    shutil.rmtree(installation / "files")
    attached(incident, b"made since", "late.txt")

    closed.close("A test.")
    restore.restore(
        stores.get(),
        str(name),
        PASSCODE,
        after=scheduling.rearm,
        told=lambda _: None,
        stage=lambda _: None,
    )
    closed.reopen()

    answers = {
        row.name: caller.get(f"/api/attachment/{row.pk}/contents")
        for row in Attachment.objects.all()
    }
    assert {name: b"".join(answer.streaming_content) for name, answer in answers.items()} == {
        "screen.png": b"evidence" * 50_000,
        "log.txt": b"was deleted since",
    }
    # What was made since has no row any more: the cleaner's.
    assert len(files_in(installation / "files")) == 3
    assert set(Attachment.objects.values_list("pk", flat=True)) == {kept.pk, deleted.pk}
