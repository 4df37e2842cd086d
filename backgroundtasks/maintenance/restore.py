"""
Putting a backup back, in steps that can be repeated.

Everything is unpacked and checked before anything is touched. Then the journal says
"replacing": from there on a restore that died is continued, or undone from what was set aside.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from uuid import UUID

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Now

from backgroundtasks import closed, conf
from backgroundtasks.handlers import data_keys
from backgroundtasks.lifecycle import arrows, holding
from backgroundtasks.maintenance import backup, databases, files, journal, manifest, sealing
from backgroundtasks.maintenance.errors import (
    BackupDamaged,
    BackupTooNew,
    OtherDatabase,
    RestoreRefused,
)
from backgroundtasks.maintenance.journal import REPLACED, REPLACING, Journal
from backgroundtasks.models import Worker
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backgroundtasks.maintenance.manifest import Manifest
    from backgroundtasks.maintenance.stores import Store

#: Below the folder of maintenance.
_FOLDER: Final = "restore"
_STAGED: Final = "staged"
_ASIDE: Final = "aside"
_LOCK: Final = "lock"
_BUFFER: Final = 1024 * 1024


#: What the layers above do with restored rows: schedules are armed from now.
After = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Restored:
    """What has come back."""

    name: str
    made_at: str
    held: holding.Held


def restore(
    store: Store,
    name: str,
    passcode: str,
    *,
    after: After,
    told: Callable[[int], None],
    stage: Callable[[str], None],
) -> Restored:
    """
    Replace the installation's data by that of a backup.

    Args:
        store: Where the backup lies.
        name: Of the backup.
        passcode: That it was made with.
        after: Called once the rows are back and nothing runs; safe to call again.
        told: Called with a number of bytes whenever some were unpacked.
        stage: Called with a line for people when something else begins.

    Raises:
        RestoreRefused: the installation is in use; nothing was touched.
        BackupUnusable: it cannot be restored here; nothing was touched.
        Exception: whatever went wrong later; the old data is back, or the journal says that it
            can be brought back.
    """
    with _alone() as place:
        refuse_unless_idle()
        database = databases.current()
        if (open_one := journal.read(place)) is not None:
            raise RestoreRefused(
                f"The restore of {open_one.name} has not ended: finish it with "
                "restore_backup --continue, or take it back with restore_backup --undo."
            )
        if database.has_aside(place / _ASIDE):
            raise RestoreRefused(
                "Data of an earlier restore is still set aside, and nobody knows why (schema "
                "taskcenter_aside): remove it, or rename it back."
            )
        shutil.rmtree(place / _STAGED, ignore_errors=True)
        shutil.rmtree(place / _ASIDE, ignore_errors=True)
        try:
            stage(f"Unpacking and checking {name}")
            with store.open(name, held=True) as file:
                content = unpack(file, passcode, place / _STAGED, told)
            open_one = Journal(name, content.made_at, REPLACING, content.tables, content.run_id)
            open_one.write(place)
        except BaseException:
            shutil.rmtree(place / _STAGED, ignore_errors=True)
            raise
        return _replace(place, open_one, after, stage)


def proceed(after: After, stage: Callable[[str], None]) -> Restored:
    """
    Finish a restore that was interrupted.

    Raises:
        RestoreRefused: there is none, or the installation is in use.
    """
    with _alone() as place:
        refuse_unless_idle(reachable=False)
        return _replace(place, _interrupted(place), after, stage)


def undo() -> str:
    """
    Take an interrupted restore back; return the backup's name.

    Raises:
        RestoreRefused: there is none, it is past its checks, or the installation is in use.
    """
    with _alone() as place:
        refuse_unless_idle(reachable=False)
        open_one = _interrupted(place)
        if open_one.phase == REPLACED:
            raise RestoreRefused(
                "This restore has passed its checks, and part of the old data may be gone: "
                "finish it with restore_backup --continue."
            )
        _bring_back(place)
        return open_one.name


def interrupted() -> str | None:
    """Return the name of the backup whose restore has not ended; None when there is none."""
    folder = closed.folder()
    open_one = None if folder is None else journal.read(folder / _FOLDER)
    return None if open_one is None else open_one.name


def refuse_unless_idle(*, reachable: bool = True) -> None:
    """
    Refuse unless the installation is closed, and nobody uses its database.

    `reachable`: the tables are where they should be, so that workers can be looked for.

    Raises:
        RestoreRefused: it is not; the text says what to stop.
    """
    if not closed.is_closed():
        raise RestoreRefused("The installation is open: close it first (manage.py maintenance on).")
    try:
        alive = Worker.objects.filter(stopped_at__isnull=True, beat_at__gt=Now() - conf.LEASE)
        workers = [str(worker) for worker in alive]
    except DatabaseError:
        # A database without our tables, or a broken one, is what a restore is for.
        connection.close()
        workers = []
    if workers and reachable:
        raise RestoreRefused(
            f"Workers are running ({', '.join(workers)}): stop them. If they were killed, wait "
            f"{_seconds(conf.LEASE)} s."
        )
    databases.current().refuse_others()


def unpack(file: IO[bytes], passcode: str, staged: Path, told: Callable[[int], None]) -> Manifest:
    """
    Unpack a backup into a folder, and look whether it can be restored here.

    Raises:
        BackupUnusable: it cannot.
    """
    made_on = sealing.read_header(file).info.get("database", "?")
    if made_on != connection.vendor:
        raise OtherDatabase(databases.known(made_on), databases.known(connection.vendor))
    file.seek(0)
    staged.mkdir(mode=0o700, parents=True)
    content = backup.unpack(file, passcode, told, lambda name: _opened(staged, name))
    _refuse_newer(content)
    _refuse_missing_keys((staged / manifest.DATA_KEYS).read_text().split())
    databases.current().try_staged(staged / manifest.DATABASE, content.tables)
    return content


def _replace(
    place: Path, open_one: Journal, after: After, stage: Callable[[str], None]
) -> Restored:
    """Do all steps from the journal on; take them back when one fails."""
    staged, aside = place / _STAGED, place / _ASIDE
    held = holding.Held(0, 0)
    if open_one.phase == REPLACING:
        try:
            held = _put_all(staged, aside, open_one, stage)
            after()
            open_one = replace(open_one, phase=REPLACED)
            open_one.write(place)
        except BaseException:
            stage("It failed: bringing the old data back")
            _bring_back(place)
            raise
    stage("Removing the old data")
    databases.current().drop_aside(aside)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(staged, ignore_errors=True)
    journal.remove(place)
    return Restored(open_one.name, open_one.made_at, held)


def _put_all(
    staged: Path, aside: Path, open_one: Journal, stage: Callable[[str], None]
) -> holding.Held:
    database = databases.current()
    aside.mkdir(mode=0o700, exist_ok=True)
    stage("Setting the present data aside")
    database.set_aside(aside)
    stage("Putting files and keys back")
    _put_files(staged, aside)
    path = data_keys.file()
    if path is not None:
        data_keys.put_behind(path, (staged / manifest.DATA_KEYS).read_text().split())
    stage("Putting the database back")
    database.put(staged / manifest.DATABASE)
    stage("Checking it")
    if database.counts() != open_one.tables:
        raise BackupDamaged("the restored tables have not the rows that they should have")
    call_command("migrate", interactive=False, verbosity=0)
    stage("Holding what had not finished")
    Worker.objects.filter(stopped_at__isnull=True).update(stopped_at=Now())
    if open_one.run_id:
        # In its own copy it is still running; that there is a copy says how it went on.
        arrows.settle(
            UUID(open_one.run_id),
            State.SUCCEEDED,
            error="",
            temporary=False,
            finished_at=None,
            retention=conf.RETENTION,
        )
    return holding.hold_unfinished(
        f"Held: restored from the backup {open_one.name}. Resume or cancel it."
    )


def _put_files(staged: Path, aside: Path) -> None:
    for alias in files.aliases():
        root = staged / manifest.FILES / alias
        for path in root.rglob("*"):
            if path.is_file():
                files.put(alias, path.relative_to(root).as_posix(), path, aside / manifest.FILES)


def _bring_back(place: Path) -> None:
    aside = place / _ASIDE
    databases.current().bring_back(aside)
    files.bring_back(aside / manifest.FILES)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(place / _STAGED, ignore_errors=True)
    journal.remove(place)


def _interrupted(place: Path) -> Journal:
    open_one = journal.read(place)
    if open_one is None:
        raise RestoreRefused("No restore was interrupted.")
    return open_one


def _refuse_newer(content: Manifest) -> None:
    """Refuse a database that has migrations which this release does not know."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    newer = sorted(set(content.migrations) - known)
    if newer:
        raise BackupTooNew(f"release {content.release}; migration {newer[-1]} is unknown here")


def _refuse_missing_keys(keys: list[str]) -> None:
    """Refuse a backup whose secrets could not be read, where we cannot put its keys ourselves."""
    if data_keys.file() is None and (missing := set(keys) - set(data_keys.current())):
        raise RestoreRefused(
            f"This installation takes its data keys from its settings, and {len(missing)} of the "
            "backup's are not among them: write them into a file with restore_backup NAME "
            "--data-keys-to FILE, add them to TASKCENTER_DATA_KEYS, then restore."
        )


def _opened(staged: Path, name: str) -> IO[bytes]:
    """Open the file for a member; a later one of the same name takes its place."""
    if name in {manifest.DATABASE, manifest.DATA_KEYS}:
        path = staged / name
    else:
        alias, rest = files.checked(name)
        path = staged / manifest.FILES / alias / rest
        path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb", buffering=_BUFFER)


@contextmanager
def _alone() -> Iterator[Path]:
    """Give the folder of restores to one process at a time."""
    folder = closed.folder()
    if folder is None:
        raise RestoreRefused(
            "No folder for maintenance is set: give settings.TASKCENTER['MAINTENANCE_DIR']."
        )
    place = folder / _FOLDER
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RestoreRefused("Another restore is under way.") from None
        yield place


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
