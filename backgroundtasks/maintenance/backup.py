"""Making a backup, and reading it again."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from django.db import connection

import backgroundtasks
from backgroundtasks import clock, closed
from backgroundtasks.handlers import data_keys
from backgroundtasks.maintenance import archive, databases, files, manifest, stores
from backgroundtasks.maintenance.errors import BackupDamaged
from backgroundtasks.maintenance.manifest import FileDigest, Held, Manifest
from backgroundtasks.maintenance.reading_back import ReadingBack, reading_back
from backgroundtasks.maintenance.sealing import Passcode, Sealer, Unsealer
from backgroundtasks.maintenance.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime


class Meter(Protocol):
    """Hears how far the work is; raises where it shall stop."""

    def expect(self, total: int) -> None:
        """Learn how many bytes there will be, about."""

    def stage(self, text: str) -> None:
        """Learn what is being done now."""

    def add(self, count: int) -> None:
        """Learn that so many bytes were done."""


@dataclass(frozen=True, slots=True)
class _Both:
    """A meter of what is written, and of what is read back meanwhile."""

    of_all: Meter
    reading: ReadingBack

    def expect(self, total: int) -> None:
        self.of_all.expect(total)

    def stage(self, text: str) -> None:
        self.of_all.stage(text)

    def add(self, count: int) -> None:
        self.reading.add(count)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to have made."""

    #: Beginning of the backup's name; its time follows.
    name: str
    passcode: str
    description: str = ""
    scheduled: bool = False
    #: When it may be removed; None: never by itself.
    retention_date: datetime | None = None
    #: The run that makes it.
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made and read back."""

    name: str
    size: int
    manifest: Manifest


def make(store: stores.Store, wish: Wish, meter: Meter) -> Made:
    """
    Copy everything into a backup, read that back, and only then give it its name.

    Whatever stops this leaves nothing that looks like a backup.

    Raises:
        MaintenanceError: it cannot be made; the text says what to do.
        FileExistsError: there is a backup of this second.
    """
    began = clock.now()
    name = stores.checked(f"{wish.name}-{began:%Y-%m-%d-%H-%M-%S}")
    info = {
        "name": name,
        "made_at": began.isoformat(timespec="seconds"),
        "release": backgroundtasks.VERSION,
        "database": connection.vendor,
        "description": wish.description,
        "scheduled": wish.scheduled,
    }
    meter.expect(_expected())
    passcode = Passcode(wish.passcode)

    def read_back(draft: stores.Draft, told: Callable[[int], None]) -> Manifest:
        with draft.read() as file:
            return verify(file, passcode, told)

    with store.draft() as draft, reading_back(draft, read_back, meter.add) as reading:
        with draft.write() as file, archive.Writer(Sealer(file, info, passcode)) as writer:
            _write(writer, info, wish, began, _Both(meter, reading))
        meter.stage("Verifying")
        read = reading.result()
        until = wish.retention_date
        draft.keep(name, {"retention_date": None if until is None else until.isoformat()})
    return Made(name, store.size(name), read)


def verify(file: IO[bytes], passcode: str | Passcode, told: Callable[[int], None]) -> Manifest:
    """
    Read all of a backup and compare it with what it says of itself.

    Raises:
        NoBackup, BackupTooNew, BackupDamaged, PasscodeWrong: it is not whole, or not readable.
    """
    return unpack(file, passcode, told, lambda _name: _Nowhere())


class Sink(Protocol):
    """Takes the content of one member."""

    def write(self, data: bytes | memoryview, /) -> Any:
        """Take some of it."""

    def close(self) -> None:
        """Take note that this was all."""


def unpack(
    file: IO[bytes],
    passcode: str | Passcode,
    told: Callable[[int], None],
    sink: Callable[[str], Sink],
) -> Manifest:
    """
    Read all of a backup into sinks, one for each member, and check it against its manifest.

    Raises:
        NoBackup, BackupTooNew, BackupDamaged, PasscodeWrong: nothing of it is to be used.
    """
    found: dict[str, Held] = {}
    seen = FileDigest()
    said: bytes | None = None
    unsealer = Unsealer(file, passcode)
    for name, content in archive.read(unsealer):
        if name == manifest.MANIFEST:
            said = b"".join(content)
            continue
        hashed = unsealer.header.version == 1 and name != manifest.DATA_KEYS
        held = _poured(content, sink(name), told, hashed=hashed)
        if name.startswith(manifest.FILES):
            seen.add(name, held)
        else:
            found[name] = held
    if said is None:
        raise BackupDamaged("it has no manifest")
    parsed = manifest.parsed(said)
    if found.keys() != {manifest.DATABASE, manifest.DATA_KEYS}:
        raise BackupDamaged("it does not hold what a backup holds")
    if (found[manifest.DATABASE], seen.all(), seen.count) != (
        parsed.database,
        parsed.files,
        parsed.file_count,
    ):
        raise BackupDamaged("its content is not what its manifest says")
    return parsed


def _write(
    writer: archive.Writer, info: dict[str, Any], wish: Wish, began: datetime, meter: Meter
) -> None:
    """Write all members of a backup."""
    held = FileDigest()
    meter.stage("Copying files")
    _add_files(writer, held, meter)
    meter.stage("Copying the database")
    with _scratch() as place, databases.current().copy(place, meter.add) as copy:
        meter.stage("Writing the database")
        database = Held(writer.add(manifest.DATABASE, copy.stream, meter.add))
        copy.finish()
        tables, migrations = copy.tables, copy.migrations
    # Files come before the database, so that one which is removed meanwhile is there; what
    # came between the two is taken now.
    meter.stage("Copying new files")
    _add_files(writer, held, meter, since=began)
    writer.add_bytes(manifest.DATA_KEYS, "\n".join(data_keys.current()).encode())
    content = Manifest(
        made_at=info["made_at"],
        release=info["release"],
        vendor=info["database"],
        database=database,
        tables=tables,
        migrations=migrations,
        files=held.all(),
        file_count=held.count,
        run_id=wish.run_id,
    )
    writer.add_bytes(manifest.MANIFEST, content.as_json())
    writer.finish()


def _add_files(
    writer: archive.Writer, held: FileDigest, meter: Meter, since: datetime | None = None
) -> None:
    for alias in files.aliases():
        for name in files.names(alias, since=since):
            content = files.opened(alias, name)
            if content is None:
                continue  # it is gone: whoever was done with it has removed it
            with content:
                member = f"{manifest.FILES}{alias}/{name}"
                held.add(member, Held(writer.add(member, content, meter.add)))


def _expected() -> int:
    """Return about how many bytes a backup handles: everything is read twice, SQLite copied."""
    database = databases.current().estimate()
    held = sum(files.size(alias, name) for alias in files.aliases() for name in files.names(alias))
    return 2 * held + (3 if connection.vendor == "sqlite" else 2) * database


def _poured(
    content: Iterator[bytes | memoryview],
    sink: Sink,
    told: Callable[[int], None],
    *,
    hashed: bool,
) -> Held:
    size, digest = 0, hashlib.sha256()
    for block in content:
        sink.write(block)
        if hashed:
            digest.update(block)
        size += len(block)
        told(len(block))
    sink.close()
    return Held(size, digest.hexdigest() if hashed else None)


class _Nowhere:
    """Takes everything and keeps nothing."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Take it."""

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder for a copy of the database, on this machine's own disk."""
    folder = closed.folder()
    if folder is not None:
        with workplace(folder) as place:
            yield place
    else:
        with tempfile.TemporaryDirectory(prefix="taskcenter-") as place:
            yield Path(place)
