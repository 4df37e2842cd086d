"""What keeps the installation in order by itself."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from backgroundtasks import clock
from backgroundtasks.handlers.testing import perform
from backgroundtasks.lifecycle import flushing
from backgroundtasks.maintenance import health, sealing, stores
from backgroundtasks.maintenance.handlers.backup_retention_cleaner import BackupRetentionCleaner
from backgroundtasks.maintenance.handlers.clean_gp_jobs import CleanGPJobs
from backgroundtasks.maintenance.handlers.create_health_check_reports import (
    CreateHealthCheckReports,
)
from backgroundtasks.models import BackupStore, Message, Queue, TaskStatus, Worker
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def backup(name: str, *, made: timedelta, kept: timedelta | None) -> None:
    """Put a backup into the store that was made so long ago and is kept for so long."""
    made_at = clock.now() - made
    info = {
        "name": name,
        "made_at": made_at.isoformat(),
        "release": "1",
        "database": "sqlite",
        "description": "",
        "scheduled": True,
    }
    with stores.get().draft() as draft:
        with draft.write() as file:
            sealing.Sealer(file, info, "correct horse").finish()
        until = None if kept is None else made_at + kept
        draft.keep(name, {"retention_date": None if until is None else until.isoformat()})


def there() -> list[str]:
    return sorted(stores.get().names())


class TestBackupRetentionCleaner:
    def test_removes_what_is_past_its_date_and_its_notes(self, installation: Path) -> None:
        backup("old", made=9 * DAY, kept=7 * DAY)
        backup("kept", made=9 * DAY, kept=10 * DAY)
        backup("for-ever", made=99 * DAY, kept=None)
        backup("newest", made=DAY, kept=7 * DAY)

        run = perform(BackupRetentionCleaner, {})

        assert run.result == {"removed": ["old"]}
        assert there() == ["for-ever", "kept", "newest"]
        assert not list((installation / "backups").glob("old*"))

    def test_never_removes_the_newest(self, installation: Path) -> None:
        backup("older", made=90 * DAY, kept=DAY)
        backup("newest", made=80 * DAY, kept=DAY)

        perform(BackupRetentionCleaner, {})

        assert there() == ["newest"]

    def test_a_damaged_one_does_not_count_as_the_newest(self, installation: Path) -> None:
        backup("good", made=80 * DAY, kept=DAY)
        backup("cut", made=DAY, kept=DAY)
        backup("other", made=2 * DAY, kept=DAY)
        for name, size in (("cut", -1), ("other", 40)):
            path = installation / f"backups/{name}.tcbackup"
            path.write_bytes(path.read_bytes()[:size])

        run = perform(BackupRetentionCleaner, {})

        assert there() == ["cut", "good", "other"]
        assert run.state == State.WARNED
        assert sorted(run.warnings) == [
            "cut is damaged: look at it, and delete it.",
            "other is damaged: look at it, and delete it.",
        ]

    def test_a_store_whose_folder_refuses_keeps_no_other_from_being_cleaned(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backup("old", made=9 * DAY, kept=DAY)
        backup("newest", made=DAY, kept=DAY)
        away = installation / "backups/away"
        BackupStore.objects.create(name="away", kind="local", settings={"path": str(away)})
        names = stores.LocalStore.names

        def stale(store: stores.LocalStore) -> list[str]:
            if store.path("x").parent == away:
                raise OSError(errno.ESTALE, "Stale file handle", str(away))
            return names(store)

        monkeypatch.setattr(stores.LocalStore, "names", stale)

        run = perform(BackupRetentionCleaner, {})

        assert run.result == {"removed": ["old"]}
        assert run.warnings == ["away: Stale file handle."]

    def test_an_empty_store_is_fine(self, installation: Path) -> None:
        run = perform(BackupRetentionCleaner, {})

        assert run.state == State.SUCCEEDED
        assert run.progress == (0, 0, "Backups past their retention are removed.")


class TestCleanGPJobs:
    def test_deletes_what_has_expired_and_nothing_else(self) -> None:
        for _ in range(250):
            factories.run(State.SUCCEEDED, expires_at=clock.now() - DAY)
        Message.objects.create(run=TaskStatus.objects.first(), key="k")
        kept = {factories.run(State.SUCCEEDED).pk, factories.run().pk}

        run = perform(CleanGPJobs, {})

        assert run.result["runs"] == 250
        assert run.progress == (250, 250, "GP Jobs have been cleaned.")
        assert set(TaskStatus.objects.values_list("pk", flat=True)) == kept
        assert not Message.objects.exists()

    def test_stops_when_it_is_cancelled(self) -> None:
        # More than two batches, of which each is at most twice the one before.
        for _ in range(350):
            factories.run(State.SUCCEEDED, expires_at=clock.now() - DAY)

        run = perform(CleanGPJobs, {}, cancel_after=1)

        assert run.state == State.CANCELLED
        assert TaskStatus.objects.exists()

    def test_batches_follow_the_time_that_they_take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        moment = 0.0

        def flush(size: int) -> int:
            nonlocal moment
            sizes.append(size)
            moment += size / 10_000  # 10,000 runs a second
            return size if len(sizes) < 8 else 0

        module = "backgroundtasks.maintenance.handlers.clean_gp_jobs.time"
        monkeypatch.setattr(flushing, "flush", flush)
        monkeypatch.setattr(f"{module}.monotonic", lambda: moment)
        monkeypatch.setattr(f"{module}.sleep", lambda _: None)

        perform(CleanGPJobs, {})

        assert sizes[0] == 100
        assert sizes[-1] == 500  # 50 ms


class TestCreateHealthCheckReports:
    def test_says_of_each_check_what_is_so(self, installation: Path) -> None:
        Worker.objects.create(host="here", host_id="x", pid=1)
        backup("nightly", made=DAY, kept=None)
        (installation / "data_keys").chmod(0o600)

        run = perform(CreateHealthCheckReports, {"name": "weekly"})

        assert run.result["result"] == "passed", run.result
        assert run.result["name"].startswith("weekly-2")
        assert run.progress is not None
        assert run.progress[2] == f"Report {run.result['name']} has been created: passed."
        assert {check["name"]: check["text"] for check in run.result["checks"]}["backups"] == (
            "The newest is nightly."
        )
        assert run.state == State.SUCCEEDED

    def test_what_is_wrong_is_said_with_what_to_do(self, installation: Path) -> None:
        Queue.objects.create(name="slow", paused_at=clock.now())
        (installation / "data_keys").chmod(0o644)

        run = perform(CreateHealthCheckReports, {})

        found = {check["name"]: check for check in run.result["checks"]}
        assert run.result["result"] == "failed"
        assert found["workers"]["text"] == "No worker beats: start manage.py runworkers."
        assert found["queues"]["result"] == "warning"
        assert "chmod 600" in found["data_keys"]["text"]
        assert "create_backup" in found["backups"]["text"]
        assert run.state == State.WARNED

    def test_a_check_that_breaks_does_not_hide_the_others(
        self, installation: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health.stores, "listed", lambda _: 1 / 0)

        found = {finding.name: finding for finding in health.findings()}

        assert found["backups"].result == "failed"
        assert found["backups"].text == "It cannot be checked: ZeroDivisionError."
        assert found["migrations"].result == "passed"
