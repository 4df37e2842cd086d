"""Attachments are in backups, and come back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backgroundtasks import closed, scheduling
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import backup, restore, stores
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


def restored(name: str) -> None:
    closed.close("A test.")
    restore.restore(
        stores.get(),
        name,
        PASSCODE,
        after=scheduling.rearm,
        told=lambda _: None,
        stage=lambda _: None,
    )
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

    restored(str(name))

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


@pytest.mark.usefixtures("reopened")
def test_one_that_is_still_coming_when_a_backup_begins_is_whole_in_it(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first half is there when files are copied; the rest and its row come before the rows are."""
    caller = Caller()
    incident = IncidentFactory.create(project__account=caller.actor.account)
    content = b"first half, second half"
    row = attached(incident, content, "late.txt")
    file = installation / "files" / attachments.name_of(row.account_id, row.pk)
    Attachment.objects.all().delete()
    file.write_bytes(content[:10])
    add_files = backup._add_files

    def finished_afterwards(*given: Any, **more: Any) -> None:
        add_files(*given, **more)
        if not Attachment.objects.exists():
            file.write_bytes(content)
            row.save(force_insert=True)

    monkeypatch.setattr(backup, "_add_files", finished_afterwards)
    name = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"]
    shutil.rmtree(installation / "files")
    Attachment.objects.all().delete()

    restored(str(name))

    answer = caller.get(f"/api/attachment/{row.pk}/contents")
    assert b"".join(answer.streaming_content) == content
