"""Backing up and restoring with real processes, which are killed in the middle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from backgroundtasks import operations, queries
from backgroundtasks.maintenance import backup
from backgroundtasks.maintenance.stores import LocalStore
from backgroundtasks.models import Account, TaskStatus
from backgroundtasks.states import State
from tests.support import factories, workers
from tests.support.rows import all_rows
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.acceptance]

PASSCODE = "a battery that is stapled"
MEBIBYTE = 1024 * 1024


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders of the test's own for every process that it starts."""
    monkeypatch.setenv("TASKCENTER_BACKUP_DIR", str(tmp_path / "backups"))
    monkeypatch.setenv("TASKCENTER_MAINTENANCE_DIR", str(tmp_path / "maintenance"))
    monkeypatch.setenv("TASKCENTER_FILES_DIR", str(tmp_path / "files"))
    (tmp_path / "files/results").mkdir(parents=True)
    (tmp_path / "files/results/report").write_bytes(b"report")
    Account.objects.create(name="System", is_system=True)
    factories.UserFactory.create(username="root", is_superuser=True)
    yield tmp_path
    # Where a test fails between two steps, the next one shall find a database of its own.
    if (tmp_path / "maintenance/restore/journal.json").exists():
        manage("restore_backup", "--undo")


def manage(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    connection.close()  # on PostgreSQL a restore waits for nobody
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=workers.ROOT,
        env=workers.environment(),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


class Quiet:
    """Does not want to know how far it is."""

    def expect(self, total: int) -> None: ...
    def stage(self, text: str) -> None: ...
    def add(self, count: int) -> None: ...


def back_up(place: Path) -> str:
    """Make a backup, and return its name."""
    uploads = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(place / "files")},
    }
    with override_settings(STORAGES=settings.STORAGES | {"uploads": uploads}):
        wish = backup.Wish(name="nightly", passcode=PASSCODE)
        return backup.make(LocalStore(place / "backups"), wish, Quiet()).name


def test_a_worker_that_is_killed_leaves_nothing_that_looks_like_a_backup(place: Path) -> None:
    (place / "files/results/large").write_bytes(os.urandom(120 * MEBIBYTE))
    root = queries.actor_of(
        User.objects.get(username="root"), Account.objects.get(is_system=True).pk
    )
    store = LocalStore(place / "backups")

    with workers.WorkerCommand(workers=1) as command:
        wish = {"name": "nightly", "passcode": PASSCODE}
        run_id = operations.submit(root, "CreateBackup", wish).run_id
        wait_for(lambda: list((place / "backups").glob(".work-*/draft")), "a draft")
        [worker] = command.workers()
        workers.kill(worker.pid)
        wait_for(lambda: not workers.exists(worker.pid), "its end")
        assert store.names() == []

        # It may run again, and does; what the dead one left is swept.
        wait_for(lambda: TaskStatus.objects.get(pk=run_id).state == State.SUCCEEDED, "the backup")

    assert TaskStatus.objects.get(pk=run_id).attempt == 2
    assert len(store.names()) == 1
    assert list((place / "backups").glob(".work-*")) == []
    assert list((place / "maintenance").glob(".work-*")) == []


def test_the_passcode_stands_nowhere(place: Path) -> None:
    (place / "files/results/large").write_bytes(os.urandom(40 * MEBIBYTE))
    seen: set[str] = set()

    with workers.WorkerCommand(workers=1) as command:
        connection.close()
        asking = subprocess.Popen(
            [sys.executable, "manage.py", "create_backup"],
            cwd=workers.ROOT,
            env=workers.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert asking.stdin
        asking.stdin.write(f"{PASSCODE}\n")
        asking.stdin.close()
        while asking.poll() is None:
            seen |= set(command_lines())
        assert asking.stdout
        said = asking.stdout.read()
        log = command.log()

    assert asking.returncode == 0, said
    run = TaskStatus.objects.get(task_type="CreateBackup")
    shown = manage("show_run", str(run.pk)).stdout
    assert "********" in shown
    for text in (said, log, shown, str(all_rows()), *seen):
        assert PASSCODE not in text
    for path in (place / "backups").iterdir():
        assert PASSCODE.encode() not in path.read_bytes()


def command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().decode(errors="replace")
        except OSError:
            continue


@pytest.mark.parametrize(
    "step, ending",
    [
        ("Setting the present data aside", "--continue"),
        ("Putting the database back", "--continue"),
        ("Putting the database back", "--undo"),
        ("Removing the old data", "--continue"),
    ],
)
def test_a_restore_that_is_killed_is_continued_or_undone(
    place: Path, step: str, ending: str
) -> None:
    factories.run(State.SUCCEEDED)
    (place / "files/results/changed").write_bytes(b"as it was")
    wanted = all_rows()
    name = back_up(place)
    Account.objects.create(name="Made since")
    (place / "files/results/changed").write_bytes(b"as it is")
    (place / "files/results/report").unlink()
    present = all_rows()
    (place / "maintenance").mkdir(exist_ok=True)
    (place / "maintenance/closed").write_text("A test.\n")

    kill_before_the_end_of(step, name)

    done = manage("restore_backup", ending)
    assert done.returncode == 0, done.stderr
    changed = (place / "files/results/changed").read_bytes()
    if ending == "--undo":
        assert all_rows() == present
        assert changed == b"as it is"
    else:
        assert all_rows() == wanted
        assert changed == b"as it was"
        assert (place / "files/results/report").read_bytes() == b"report"


def kill_before_the_end_of(step: str, name: str) -> None:
    """Start to restore, and send SIGKILL as soon as it says that it begins a step."""
    connection.close()
    restoring = subprocess.Popen(
        [sys.executable, "manage.py", "restore_backup", name],
        cwd=workers.ROOT,
        env={**workers.environment(), "TASKCENTER_PASSCODE": PASSCODE, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert restoring.stderr
    heard = []
    for line in restoring.stderr:
        heard.append(line)
        if line.startswith(step):
            break
    else:
        raise AssertionError("".join(heard))
    restoring.kill()
    restoring.wait()
    # What it had started may go on for a moment: pg_restore hears of it when it writes.
    wait_for(lambda: not any("pg_restore" in line for line in command_lines()), "pg_restore's end")


def test_memory_does_not_grow_with_what_is_backed_up(place: Path) -> None:
    for number in range(3):
        with (place / f"files/results/large{number}").open("wb") as large:
            large.write(os.urandom(48 * MEBIBYTE))
            large.truncate(192 * MEBIBYTE)
    for number in range(2000):
        (place / f"files/results/{number}").write_bytes(b"x" * 100)
    connection.close()

    asked = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=workers.ROOT,
        env=workers.environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    most = int(re.findall(r"VmHWM:\s+(\d+) kB", asked.stdout)[0])
    assert most < 200 * 1024
    [name] = LocalStore(place / "backups").names()
    assert LocalStore(place / "backups").size(name) > 144 * MEBIBYTE


#: Makes a backup and reads it back, in a process that does nothing else.
MEASURE = """
import django; django.setup()
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
made = perform(CreateBackup, {"name": "large", "passcode": "correct horse"})
assert made.state == "succeeded", made
# Of this process since it began; `ru_maxrss` would hold what its parent had.
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
