"""`CreateBackup`: what lands in the store, and what must land nowhere."""

from __future__ import annotations

import io
import itertools
import random
import re
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import clock, exceptions, operations, queries
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import backup, sealing, stores
from backgroundtasks.maintenance.databases import postgres
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.maintenance.stores import following
from backgroundtasks.models import Account, Task
from backgroundtasks.states import State
from tests.support import factories

PASSCODE = "correct horse"
WISH: dict[str, Any] = {"name": "nightly", "passcode": PASSCODE}


def verified(name: str) -> backup.Manifest:
    with stores.get().open(name) as file:
        return backup.verify(file, PASSCODE, lambda _count: None)


@pytest.mark.django_db(transaction=True)
class TestMaking:
    def test_a_backup_holds_rows_files_and_migrations(self, installation: Path) -> None:
        factories.run(State.SUCCEEDED)
        (installation / "files/results").mkdir(parents=True)
        (installation / "files/results/é 1").write_bytes(b"report")

        run = perform(CreateBackup, WISH)

        assert run.state == State.SUCCEEDED
        assert re.fullmatch(r"nightly-\d{4}(-\d\d){5}", run.result["name"])
        held = verified(run.result["name"])
        assert held.tables["backgroundtasks_taskstatus"] == 1
        assert held.files.size == 6
        assert held.file_count >= 1
        assert "backgroundtasks.0001_initial" in held.migrations

    def test_it_is_listed_without_its_passcode(self, installation: Path) -> None:
        wish = WISH | {"description": "Before the upgrade", "retentionOffset": 86_400_000}

        perform(CreateBackup, wish)

        [[listed], unreadable] = stores.listed(stores.get())
        assert listed.description == "Before the upgrade"
        assert listed.database == connection.vendor
        assert listed.retention_date is not None
        assert timedelta(hours=23) < listed.retention_date - clock.now() <= timedelta(days=1)
        assert listed.size == stores.get().size(listed.name)
        assert unreadable == []

    def test_progress_is_in_bytes_and_ends_full_with_a_sentence(self, installation: Path) -> None:
        run = perform(CreateBackup, WISH)

        assert run.progress is not None
        assert run.progress[0] == run.progress[1] > 10_000
        assert run.progress[2] == f"Backup {run.result['name']} has been created and verified."

    def test_a_cancelled_one_leaves_nothing(self, installation: Path) -> None:
        run = perform(CreateBackup, WISH, cancel_after=1)

        assert run.state == State.CANCELLED
        assert list((installation / "backups").iterdir()) == []
        assert list((installation / "maintenance").glob("*")) == []

    def test_one_that_does_not_verify_is_no_backup(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = backup.verify

        def damaged(file: Any, passcode: str, told: Any) -> backup.Manifest:
            return real(io.BytesIO(file.read()[:-1]), passcode, told)

        monkeypatch.setattr(backup, "verify", damaged)

        run = perform(CreateBackup, WISH)

        assert run.state == State.FAILED
        assert run.error.startswith("The backup is damaged: ")
        assert list((installation / "backups").iterdir()) == []

    def test_damage_is_noticed_while_the_rest_is_still_written(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(following, "_ENOUGH", 64 * 1024)
        (installation / "files/results").mkdir(parents=True)
        for number in range(40):
            content = random.Random(number).randbytes(1024 * 1024)
            (installation / f"files/results/{number}").write_bytes(content)
        real, sealed = sealing.Sealer._seal, []

        def damaging(self: Any, *, last: bool) -> None:
            sealed.append(last)
            if len(sealed) == 3:
                self._digest = b"another backup's"
            real(self, last=last)
            time.sleep(0.05)

        monkeypatch.setattr(sealing.Sealer, "_seal", damaging)

        run = perform(CreateBackup, WISH)

        assert "chunk 2 is changed" in run.error
        assert not any(sealed)
        assert list((installation / "backups").iterdir()) == []

    def test_what_is_read_back_is_no_longer_in_memory(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (installation / "files/results").mkdir(parents=True)
        content = random.Random(1).randbytes(30 * 1024 * 1024)
        (installation / "files/results/large").write_bytes(content)
        dropped: list[tuple[int, int]] = []
        read: list[tuple[int, int]] = []
        advise, preadv = following.os.posix_fadvise, following.os.preadv

        def dropping(handle: int, start: int, size: int, advice: int) -> None:
            dropped.append((start, start + size))
            advise(handle, start, size, advice)

        def reading(handle: int, buffers: Any, at: int) -> int:
            count = int(preadv(handle, buffers, at))
            if Path(f"/proc/self/fd/{handle}").readlink().name == "draft":
                read.append((at + count, dropped[-1][1]))
            return count

        monkeypatch.setattr(following.os, "posix_fadvise", dropping)
        monkeypatch.setattr(following.os, "preadv", reading)

        assert perform(CreateBackup, WISH).state == State.SUCCEEDED

        assert read
        assert all(end <= stored for end, stored in read)
        assert dropped
        assert dropped[0][0] == 0
        assert all(start <= end for (_, end), (start, _) in itertools.pairwise(dropped))

    def test_no_thread_is_left(self, installation: Path) -> None:
        before = threading.active_count()

        perform(CreateBackup, WISH)
        perform(CreateBackup, WISH, cancel_after=1)

        assert threading.active_count() == before

    def test_what_a_dead_process_left_is_swept(self, installation: Path) -> None:
        left = installation / "backups/.work-of-a-dead-one"
        left.mkdir(parents=True)
        (left / "draft").write_bytes(b"half")

        perform(CreateBackup, WISH)

        assert not left.exists()

    def test_a_full_disk_is_said_in_a_line(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(backup, "_write", full)

        run = perform(CreateBackup, WISH)

        assert run.error == "The backup cannot be written: No space left on device."

    @pytest.mark.postgres
    def test_a_missing_pg_dump_is_said_with_what_to_install(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("needs PostgreSQL")
        monkeypatch.setenv("PATH", str(installation))
        monkeypatch.setattr(postgres, "_DEBIAN", installation)

        run = perform(CreateBackup, WISH)

        assert re.fullmatch(
            r"The server is PostgreSQL (\d+), and there is no pg_dump here: install its client "
            r"programs \(Debian: postgresql-client-\1\) where this runs\.",
            run.error,
        )

    @pytest.mark.postgres
    def test_an_older_pg_dump_is_not_used(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("needs PostgreSQL")
        old = installation / "pg_dump"
        old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
        old.chmod(0o700)
        monkeypatch.setenv("PATH", f"{installation}:/bin")
        monkeypatch.setattr(postgres, "_DEBIAN", installation)

        run = perform(CreateBackup, WISH)

        assert "pg_dump 9 is too old for it" in run.error


@pytest.mark.django_db
class TestAsking:
    @pytest.mark.parametrize(
        "change, field",
        [
            ({"passcode": "seven77"}, "passcode"),
            ({"name": "../etc/passwd"}, "name"),
            ({"name": ".hidden"}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 81}, "name"),
            ({"retentionOffset": 0}, "retentionOffset"),
            ({"retentionOffset": -5}, "retentionOffset"),
            ({"retentionOffset": 10**30}, "retentionOffset"),
            ({"metaData": {"startTime": "25:00"}}, "metaData"),
            ({"metaData": {"retention": {"type": "year", "value": 1}}}, "metaData"),
            (
                {
                    "retentionOffset": 86_400_000,
                    "metaData": {"retention": {"type": "week", "value": 1}},
                },
                "retentionOffset",
            ),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_refused_by_name(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(exceptions.ParametersInvalid) as refusal:
            CreateBackup.validated(WISH | change)

        assert set(refusal.value.problems) == {field}

    @pytest.mark.parametrize("store", ["elsewhere", "../backups", ""])
    def test_a_store_that_there_is_not_is_refused(self, installation: Path, store: str) -> None:
        actor = in_system()

        with pytest.raises((exceptions.SubmissionRefused, exceptions.ParametersInvalid)):
            operations.submit(actor, "CreateBackup", WISH | {"storeName": store})

        assert not Task.objects.exists()

    def test_only_an_operator_in_the_system_account_may_ask(self, installation: Path) -> None:
        account = factories.AccountFactory.create()
        operator_elsewhere = factories.actor("admin", account, is_superuser=True)
        member = factories.actor("admin", account)

        for actor in (operator_elsewhere, member):
            with pytest.raises(exceptions.PermissionRefused):
                operations.submit(actor, "CreateBackup", WISH)

    def test_the_passcode_is_sealed_at_rest(self, installation: Path) -> None:
        operations.submit(in_system(), "CreateBackup", WISH)

        assert PASSCODE not in str(Task.objects.get().parameters)


def in_system() -> Any:
    account = Account.objects.filter(is_system=True).first() or Account.objects.create(
        name="System", is_system=True
    )
    root = factories.UserFactory.create(is_superuser=True)
    return queries.actor_of(root, account.pk)
