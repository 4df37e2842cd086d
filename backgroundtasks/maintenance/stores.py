"""
Where backups lie. A store is the truth about its backups: no table lists them.

What anybody may know of a backup stands in its own header; when it may be removed stands in
notes beside it, for that may change.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from backgroundtasks import conf
from backgroundtasks.maintenance import errors, sealing
from backgroundtasks.maintenance.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

DEFAULT: Final = "default"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUFFIX: Final = ".tcbackup"
_NOTES: Final = ".json"


class Draft(Protocol):
    """A backup that is being written; nobody else sees it."""

    def write(self) -> AbstractContextManager[IO[bytes]]:
        """Open it for writing; at the end of the context all of it is on the disk."""

    def read(self) -> AbstractContextManager[IO[bytes]]:
        """Open what was written, as it lies on the disk."""

    def keep(self, name: str, notes: Mapping[str, Any]) -> None:
        """
        Make it a backup of this name, all at once.

        Raises:
            FileExistsError: there is one of this name.
        """


class Store(Protocol):
    """A place for backups. Names are without path and suffix; unknown ones raise BackupNotFound."""

    def names(self) -> list[str]:
        """Return the names of all backups, in no order."""

    def open(self, name: str) -> IO[bytes]:
        """Open a backup for reading."""

    def size(self, name: str) -> int:
        """Return a backup's size in bytes."""

    def draft(self) -> AbstractContextManager[Draft]:
        """Begin a backup; what is not kept is gone with the context, or swept after a crash."""

    def delete(self, name: str) -> None:
        """Remove a backup and its notes."""

    def notes(self, name: str) -> dict[str, Any]:
        """Return the notes on a backup; empty when there are none."""

    def annotate(self, name: str, notes: Mapping[str, Any]) -> None:
        """Replace the notes on a backup."""


class LocalStore:
    """A folder of this machine, or one that several machines have mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all backups."""
        return [path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"[!.]*{_SUFFIX}")]

    def open(self, name: str) -> IO[bytes]:
        """Open a backup for reading."""
        return self._there(name).open("rb")

    def size(self, name: str) -> int:
        """Return a backup's size in bytes."""
        return self._there(name).stat().st_size

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Begin a backup."""
        with workplace(self._folder) as folder:
            yield _LocalDraft(self, folder / "draft")

    def delete(self, name: str) -> None:
        """Remove a backup, then its notes: a backup without notes would be kept for ever."""
        self._there(name).unlink(missing_ok=True)
        self.notes_path(name).unlink(missing_ok=True)

    def notes(self, name: str) -> dict[str, Any]:
        """Return the notes on a backup."""
        self._there(name)
        try:
            noted = json.loads(self.notes_path(name).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def annotate(self, name: str, notes: Mapping[str, Any]) -> None:
        """Replace the notes on a backup."""
        self._there(name)
        self.write_notes(name, notes)

    def path(self, name: str) -> Path:
        """Return where a backup of this name lies, or would."""
        return self._folder / f"{checked(name)}{_SUFFIX}"

    def notes_path(self, name: str) -> Path:
        """Return where the notes on it lie, or would."""
        return self._folder / f"{checked(name)}{_NOTES}"

    def write_notes(self, name: str, notes: Mapping[str, Any]) -> None:
        """Write notes, all at once."""
        path = self.notes_path(name)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(dict(notes)) + "\n")
        draft.replace(path)

    def sync(self) -> None:
        """Bring new names to the disk."""
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _there(self, name: str) -> Path:
        path = self.path(name)
        if not path.is_file():
            raise errors.BackupNotFound(name)
        return path


class _LocalDraft:
    """A file in a workplace of the store's folder."""

    def __init__(self, store: LocalStore, path: Path) -> None:
        self._store = store
        self._path = path

    @contextmanager
    def write(self) -> Iterator[IO[bytes]]:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # What is read back shall come from the disk, not from what was just written.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    @contextmanager
    def read(self) -> Iterator[IO[bytes]]:
        with self._path.open("rb") as file:
            yield file

    def keep(self, name: str, notes: Mapping[str, Any]) -> None:
        path = self._store.path(name)
        if path.exists():
            raise FileExistsError(name)
        self._store.write_notes(name, {**notes, "size": self._path.stat().st_size})
        # Unlike a rename, a link replaces nothing.
        os.link(self._path, path)
        self._store.sync()


def get(name: str = DEFAULT) -> Store:
    """
    Return the store of this name.

    Raises:
        StoreUnknown: there is none.
    """
    stores: Mapping[str, str] = conf.BACKUP_STORES
    if name not in stores:
        raise errors.StoreUnknown(name, sorted(stores))
    return LocalStore(Path(stores[name]))


def checked(name: str) -> str:
    """
    Return `name` if it can be one of a backup: it leads nowhere else.

    Raises:
        NameInvalid: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise errors.NameInvalid(name)
    return name


@dataclass(frozen=True, slots=True)
class Backup:
    """What can be told of a backup without its passcode."""

    name: str
    size: int
    made_at: datetime
    #: `sqlite` or `postgresql`.
    database: str
    release: str
    description: str
    #: It was made by a schedule.
    scheduled: bool
    #: When it may be removed; None: never by itself.
    retention_date: datetime | None
    #: It is as long as when it was verified, as far as that was noted.
    whole: bool


def listed(store: Store) -> tuple[list[Backup], list[str]]:
    """Return the backups of a store, the newest first, and the names of unreadable files."""
    found: list[Backup] = []
    unreadable: list[str] = []
    for name in store.names():
        try:
            found.append(describe(store, name))
        except errors.BackupNotFound:
            continue  # it was removed meanwhile
        except (errors.MaintenanceError, LookupError, ValueError, TypeError):
            unreadable.append(name)
    return sorted(found, key=lambda backup: backup.made_at, reverse=True), sorted(unreadable)


def describe(store: Store, name: str) -> Backup:
    """
    Return what can be told of one backup.

    Raises:
        NoBackup, BackupTooNew, BackupDamaged: its header cannot be read.
    """
    with store.open(name) as file:
        info = sealing.read_header(file).info
    notes = store.notes(name)
    until, size = notes.get("retention_date"), store.size(name)
    return Backup(
        name=name,
        size=size,
        whole=notes.get("size", size) == size,
        made_at=datetime.fromisoformat(info["made_at"]),
        database=info["database"],
        release=info["release"],
        description=info["description"],
        scheduled=info["scheduled"],
        retention_date=None if until is None else datetime.fromisoformat(until),
    )
