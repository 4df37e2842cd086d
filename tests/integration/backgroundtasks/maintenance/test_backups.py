"""What operators do with backups that there are: verify, keep longer, delete, prepare to restore."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backgroundtasks import clock, exceptions, operations, queries
from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import errors, sealing, stores
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.maintenance.handlers.verify_backup import VerifyBackup
from backgroundtasks.models import Account, Task, TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

PASSCODE = "correct horse"


@pytest.fixture
def root(installation: Path) -> Actor:
    account = Account.objects.create(name="System", is_system=True)
    return queries.actor_of(
        factories.UserFactory.create(username="root", is_superuser=True), account.pk
    )


@pytest.fixture
def name(root: Actor) -> str:
    return str(perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"])


class TestVerifying:
    def test_a_whole_one_is_said_to_be_whole(self, name: str) -> None:
        run = perform(VerifyBackup, {"name": name, "passcode": PASSCODE})

        assert run.state == State.SUCCEEDED, run.error
        assert run.result["rows"] > 1
        size = stores.get().size(name)
        assert run.progress == (size, size, f"{name} is whole.")

    def test_a_damaged_one_fails_with_what_is_wrong(self, installation: Path, name: str) -> None:
        path = installation / f"backups/{name}.tcbackup"
        path.write_bytes(path.read_bytes()[:-1])

        run = perform(VerifyBackup, {"name": name, "passcode": PASSCODE})

        assert run.error.startswith("The backup is damaged: ")

    def test_it_cannot_be_deleted_meanwhile(
        self, root: Actor, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[str] = []
        real = sealing.Unsealer.readinto

        def reading(self: Any, buffer: Any) -> int:
            if not tried:
                with pytest.raises(errors.BackupInUse) as refusal:
                    operations.delete_backup(root, "default", name)
                tried.append(str(refusal.value))
            return real(self, buffer)

        monkeypatch.setattr(sealing.Unsealer, "readinto", reading)

        assert perform(VerifyBackup, {"name": name, "passcode": PASSCODE}).state == State.SUCCEEDED
        assert tried
        operations.delete_backup(root, "default", name)
        assert stores.get().names() == []

    def test_one_that_there_is_not_is_refused_at_once(self, root: Actor) -> None:
        for wish in ({"name": "gone"}, {"name": "../x"}, {"name": "gone", "storeName": "nowhere"}):
            with pytest.raises(exceptions.SubmissionRefused):
                operations.submit(root, "VerifyBackup", wish | {"passcode": PASSCODE})


class TestPreparingARestore:
    def test_the_command_is_named_and_all_of_it_is_read(self, root: Actor, name: str) -> None:
        prepared = operations.prepare_restore(root, "default", name, PASSCODE)

        assert prepared.command == f"manage.py restore_backup {name} --store default"
        run = TaskStatus.objects.get(pk=prepared.submission.run_id)
        assert (run.task_type, run.state) == ("VerifyBackup", State.QUEUED)
        assert PASSCODE not in str(Task.objects.values_list("parameters", flat=True))

    def test_another_store_is_named_too(self, installation: Path, root: Actor, name: str) -> None:
        operations.register_store(root, "offsite", "local", {"path": "offsite"})
        path = installation / "backups" / f"{name}.tcbackup"
        path.rename(installation / "backups/offsite" / path.name)

        prepared = operations.prepare_restore(root, "offsite", name, PASSCODE)

        assert prepared.command == f"manage.py restore_backup {name} --store offsite"

    def test_a_wrong_passcode_is_refused(self, root: Actor, name: str) -> None:
        with pytest.raises(errors.PasscodeWrong):
            operations.prepare_restore(root, "default", name, "wrong horse")

        assert not TaskStatus.objects.exists()

    def test_one_of_the_other_database_is_refused(
        self, root: Actor, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operations.backups, "connection", type("C", (), {"vendor": "other"}))

        with pytest.raises(errors.OtherDatabase):
            operations.prepare_restore(root, "default", name, PASSCODE)

    def test_it_waits_for_a_backup_that_is_being_made(self, root: Actor, name: str) -> None:
        wish = {"name": "nightly", "passcode": PASSCODE}
        run_id = operations.submit(root, "CreateBackup", wish).run_id

        with pytest.raises(errors.RestoreRefused, match=f"A backup is being made \\(run {run_id}"):
            operations.prepare_restore(root, "default", name, PASSCODE)


def test_it_is_kept_longer_or_for_ever(root: Actor, name: str) -> None:
    until = clock.now() + timedelta(days=3)

    operations.keep_backup_until(root, "default", name, until)
    assert stores.describe(stores.get(), name).retention_date == until
    operations.keep_backup_until(root, "default", name, None)

    found = stores.describe(stores.get(), name)
    assert found.retention_date is None
    assert found.whole


def test_only_operators_may(root: Actor, name: str) -> None:
    member = factories.actor("admin")
    for operation in (
        lambda: operations.delete_backup(member, "default", name),
        lambda: operations.keep_backup_until(member, "default", name, None),
        lambda: operations.prepare_restore(member, "default", name, PASSCODE),
    ):
        with pytest.raises(exceptions.PermissionRefused):
            operation()


def test_the_command_deletes_one(
    root: Actor, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("delete_backup", name)

    assert capsys.readouterr().out == f"The backup {name} is deleted.\n"
    with pytest.raises(CommandError, match="There is no backup"):
        call_command("delete_backup", name)
