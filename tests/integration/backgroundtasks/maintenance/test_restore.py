"""Restoring: everything comes back, or nothing is touched."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from backgroundtasks import clock, closed, scheduling
from backgroundtasks.handlers import data_keys
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import backup, errors, restore, sealing, stores
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.maintenance.journal import REPLACING, Journal
from backgroundtasks.models import Account, Schedule, Task, TaskStatus, Worker
from backgroundtasks.states import FINAL, State
from tests.support import factories, first_backups
from tests.support.rows import all_rows

pytestmark = pytest.mark.django_db(transaction=True)

PASSCODE = "correct horse"


@pytest.fixture
def name(installation: Path) -> Iterator[str]:
    """A backup of an installation with a bit of everything; the installation is closed."""
    for _ in range(30):
        factories.run(State.SUCCEEDED)
    (installation / "files/results").mkdir(parents=True)
    (installation / "files/results/one").write_bytes(b"one")
    (installation / "files/results/two").write_bytes(b"two" * 100_000)
    made = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"]
    closed.close("A test.")
    yield str(made)
    closed.reopen()


def restored(name: str, passcode: str = PASSCODE) -> restore.Restored:
    return restore.restore(
        stores.get(),
        name,
        passcode,
        after=scheduling.rearm,
        told=lambda _: None,
        stage=lambda _: None,
    )


def path_of(installation: Path, name: str) -> Path:
    return installation / "backups" / f"{name}.tcbackup"


def test_every_row_file_and_key_comes_back(installation: Path, name: str) -> None:
    before = all_rows()
    old_keys = data_keys.current()
    TaskStatus.objects.all().delete()
    Account.objects.create(name="Made since")
    shutil.rmtree(installation / "files")
    (installation / "data_keys").write_text(f"{Fernet.generate_key().decode()}\n")

    restored(name)

    assert all_rows() == before
    assert (installation / "files/results/one").read_bytes() == b"one"
    assert (installation / "files/results/two").read_bytes() == b"two" * 100_000
    assert set(old_keys) < set(data_keys.current())
    assert [path.name for path in (installation / "maintenance/restore").iterdir()] == ["lock"]


def test_a_backup_of_the_first_version_comes_back(installation: Path, name: str) -> None:
    before = all_rows()
    first_backups.turned_back(path_of(installation, name), PASSCODE)
    Account.objects.create(name="Made since")
    shutil.rmtree(installation / "files")

    restored(name)

    assert all_rows() == before
    assert (installation / "files/results/two").read_bytes() == b"two" * 100_000


def test_the_first_versions_digest_is_compared(installation: Path, name: str) -> None:
    first_backups.turned_back(path_of(installation, name), PASSCODE, sha256="0" * 64)

    with pytest.raises(errors.BackupDamaged, match="not what its manifest says"):
        restored(name)


def test_a_file_that_changed_gets_its_old_content(installation: Path, name: str) -> None:
    (installation / "files/results/one").write_bytes(b"another")
    (installation / "files/results/since").write_bytes(b"made since")

    restored(name)

    assert (installation / "files/results/one").read_bytes() == b"one"
    assert (installation / "files/results/since").exists()


def test_an_open_installation_is_not_restored(installation: Path, name: str) -> None:
    closed.reopen()

    with pytest.raises(errors.RestoreRefused, match="The installation is open"):
        restored(name)


def test_nothing_is_restored_under_running_workers(installation: Path, name: str) -> None:
    Worker.objects.create(host="here", host_id="x", pid=1, beat_at=clock.now())

    with pytest.raises(errors.RestoreRefused, match=r"Workers are running \(here:1\): stop them"):
        restored(name)


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_cut_backup_touches_nothing(installation: Path, name: str, cut: int) -> None:
    before = all_rows()
    path = path_of(installation, name)
    path.write_bytes(path.read_bytes()[:-cut])

    with pytest.raises(errors.BackupDamaged):
        restored(name)

    assert all_rows() == before
    assert restore.interrupted() is None


def test_a_wrong_passcode_touches_nothing(installation: Path, name: str) -> None:
    before = all_rows()

    with pytest.raises(errors.PasscodeWrong):
        restored(name, "wrong horse")

    assert all_rows() == before


def test_a_backup_of_a_newer_release_touches_nothing(
    installation: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_rows()

    class Loader:
        disk_migrations = {("backgroundtasks", "0001_initial"): None}

        def __init__(self, _connection: object) -> None:
            pass

    monkeypatch.setattr(restore, "MigrationLoader", Loader)
    with pytest.raises(errors.BackupTooNew, match="is unknown here"):
        restored(name)

    assert all_rows() == before


def test_a_backup_of_the_other_database_touches_nothing(
    installation: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    monkeypatch.setattr(sealing, "CHUNK", 1024)
    file = path_of(installation, name).with_stem("other")
    with file.open("wb") as target:
        sealer = sealing.Sealer(target, {"database": other}, PASSCODE)
        sealer.finish()

    with pytest.raises(errors.OtherDatabase, match="The backup was made on"):
        restored("other")


def test_missing_keys_are_said_where_settings_give_them(installation: Path, name: str) -> None:
    from django.conf import settings

    other = {"DATA_KEYS": (Fernet.generate_key().decode(),)}
    with (
        override_settings(TASKCENTER=settings.TASKCENTER | other),
        pytest.raises(errors.RestoreRefused, match="--data-keys-to"),
    ):
        restored(name)


def test_what_fails_halfway_is_taken_back(
    installation: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Account.objects.create(name="Made since")
    (installation / "files/results/one").write_bytes(b"another")
    before = all_rows()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(restore, "call_command", broken)
    with pytest.raises(RuntimeError):
        restored(name)

    assert all_rows() == before
    assert (installation / "files/results/one").read_bytes() == b"another"
    assert restore.interrupted() is None


def test_unfinished_runs_are_held(installation: Path, name: str) -> None:
    closed.reopen()
    states = [state for state in State if state not in FINAL]
    made = {state: factories.run(state).pk for state in states}
    key = f"{uuid.uuid4()}"
    first, second = (factories.run(State.QUEUED, exclusive_key=key).pk for _ in range(2))
    name = perform(CreateBackup, {"name": "busy", "passcode": PASSCODE}).result["name"]
    closed.close("A test.")

    held = restored(name).held

    after = {run.pk: run for run in TaskStatus.objects.all()}
    assert {after[pk].state for state, pk in made.items() if state != State.CANCELLING} == {
        State.PAUSED
    }
    assert after[made[State.CANCELLING]].state == State.CANCELLED
    assert (after[first].state, after[second].state) == (State.PAUSED, State.CANCELLED)
    assert after[first].text == f"Held: restored from the backup {name}. Resume or cancel it."
    assert "Retry this one" in after[second].error
    assert held.paused == len(states)
    assert held.cancelled == 2
    assert not any(run.token or run.lease_until for run in after.values())


def test_schedules_go_on_from_now(installation: Path, name: str) -> None:
    long_ago = clock.now() - timedelta(days=400)
    task = factories.TaskFactory.create()
    Schedule.objects.create(
        task=task, account=task.account, expression="0 0 4 * * ?", next_at=long_ago
    )
    ended = factories.TaskFactory.create()
    Schedule.objects.create(
        task=ended,
        account=ended.account,
        expression="0 0 4 * * ?",
        next_at=long_ago,
        ends_at=long_ago,
    )
    name = perform(CreateBackup, {"name": "later", "passcode": PASSCODE}).result["name"]

    restored(name)

    schedule, over = task_schedule(task), task_schedule(ended)
    assert clock.now() < schedule.next_at <= clock.now() + timedelta(days=1)
    assert (over.state, over.next_at) == ("completed", None)


def task_schedule(task: Task) -> Any:
    return Schedule.objects.get(task=task)


def test_the_run_that_made_the_backup_has_succeeded_in_it(installation: Path, name: str) -> None:
    run = factories.run(State.RUNNING, task_type="CreateBackup")
    wish = backup.Wish(name="own", passcode=PASSCODE, run_id=str(run.pk))

    class Quiet:
        def expect(self, total: int) -> None: ...
        def stage(self, text: str) -> None: ...
        def add(self, count: int) -> None: ...

    made = backup.make(stores.get(), wish, Quiet())

    restored(made.name)

    run.refresh_from_db()
    assert run.state == State.SUCCEEDED


def test_the_command_shows_what_it_does(
    installation: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TASKCENTER_PASSCODE", PASSCODE)

    call_command("restore_backup", name, "--verify")
    call_command("restore_backup", name)

    said = capsys.readouterr()
    assert f"{name} is whole: " in said.out
    assert f"Restored {name}, made at " in said.out
    assert "Putting the database back" in said.err
    assert PASSCODE not in said.out + said.err


def test_a_broken_database_is_no_hindrance(installation: Path, name: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("a file of SQLite's")
    before = all_rows()
    path = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"this is no database at all" * 1000)

    restored(name)

    assert all_rows() == before


def test_it_is_not_opened_while_a_restore_has_not_ended(installation: Path, name: str) -> None:
    folder = installation / "maintenance/restore"
    folder.mkdir(parents=True, exist_ok=True)
    Journal("nightly", "2026-01-01T00:00:00+00:00", REPLACING, {}, "").write(folder)

    with pytest.raises(CommandError, match="The restore of nightly has not ended"):
        call_command("maintenance", "off")

    assert closed.is_closed()
    assert restore.undo() == "nightly"
    call_command("maintenance", "off")
    assert not closed.is_closed()
