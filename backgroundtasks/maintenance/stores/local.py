"""Backups in a folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import IO, TYPE_CHECKING, Any, Final, cast

from backgroundtasks.maintenance import errors
from backgroundtasks.maintenance.stores.following import Following, Stored
from backgroundtasks.maintenance.stores.protocol import NOTES, SUFFIX, Draft, checked
from backgroundtasks.maintenance.workplace import workplace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Bytes that are read at once.
_BLOCK: Final = 1024 * 1024
#: What a file system without links says of one.
_NO_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class LocalStore:
    """A folder of this machine, or one that several machines have mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all backups."""
        return [path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"[!.]*{SUFFIX}")]

    def open(self, name: str, *, held: bool = False) -> IO[bytes]:
        """Open a backup for reading; a lock holds it."""
        file = self._there(name).open("rb")
        if held:
            with suppress(OSError):  # of a file system that knows no locks
                fcntl.flock(file, fcntl.LOCK_SH)
        return file

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
        path = self._there(name)
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.BackupInUse(name) from None
            except OSError:
                pass  # of a file system that knows no locks
            path.unlink(missing_ok=True)
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

    def try_out(self) -> None:
        """Write a file, read it back, and remove it."""
        # Another machine's locks may not be seen here: its draft is not ours to sweep.
        with workplace(self._folder, sweeps=False) as folder:
            path = folder / "try"
            path.write_bytes(b"x")
            path.read_bytes()

    def path(self, name: str) -> Path:
        """Return where a backup of this name lies, or would."""
        return self._folder / f"{checked(name)}{SUFFIX}"

    def notes_path(self, name: str) -> Path:
        """Return where the notes on it lie, or would."""
        return self._folder / f"{checked(name)}{NOTES}"

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

    can_follow = True

    def __init__(self, store: LocalStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._stored = Stored()

    @contextmanager
    def write(self) -> Iterator[IO[bytes]]:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file, self._stored.keeping_up(file):
            yield file

    @contextmanager
    def read(self) -> Iterator[IO[bytes]]:
        with BufferedReader(Following(self._path, self._stored), _BLOCK) as file:
            yield cast("IO[bytes]", file)

    def give_up(self) -> None:
        self._stored.give_up()

    def keep(self, name: str, notes: Mapping[str, Any]) -> None:
        path = self._store.path(name)
        if path.exists():
            raise FileExistsError(name)
        self._store.write_notes(name, {**notes, "size": self._path.stat().st_size})
        try:
            # Unlike a rename, a link replaces nothing.
            os.link(self._path, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._path.rename(path)  # of a share; one backup is made at a time
        self._store.sync()
