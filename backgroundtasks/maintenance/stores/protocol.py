"""What a store can do, whatever it is made of."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from backgroundtasks.maintenance import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

#: How a backup's file or object is called, and that of its notes.
SUFFIX: Final = ".tcbackup"
NOTES: Final = ".json"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Draft(Protocol):
    """A backup that is being written; nobody else sees it."""

    #: `read` may begin before all is written: it waits for what is not stored yet.
    can_follow: bool

    def write(self) -> AbstractContextManager[IO[bytes]]:
        """Open it for writing; at the end of the context all of it is stored."""

    def read(self) -> AbstractContextManager[IO[bytes]]:
        """Open what was written, as it is stored."""

    def give_up(self) -> None:
        """Let `read` fail where it waits: nothing more will be written."""

    def keep(self, name: str, notes: Mapping[str, Any]) -> None:
        """
        Make it a backup of this name, all at once.

        Raises:
            FileExistsError: there is one of this name.
        """


class Store(Protocol):
    """
    A place for backups. Names are without path and suffix; unknown ones raise BackupNotFound.

    What cannot be reached raises StoreUnreachable, or an OSError of the file system's.
    """

    def names(self) -> list[str]:
        """Return the names of all backups, in no order."""

    def open(self, name: str, *, held: bool = False) -> IO[bytes]:
        """
        Open a backup for reading; it can seek.

        Args:
            name: Of the backup.
            held: As long as it is open it is not deleted, where the store can see to that.
        """

    def size(self, name: str) -> int:
        """Return a backup's size in bytes."""

    def draft(self) -> AbstractContextManager[Draft]:
        """Begin a backup; what is not kept is gone with the context, or swept after a crash."""

    def delete(self, name: str) -> None:
        """
        Remove a backup and its notes.

        Raises:
            BackupInUse: somebody holds it.
        """

    def notes(self, name: str) -> dict[str, Any]:
        """Return the notes on a backup; empty when there are none."""

    def annotate(self, name: str, notes: Mapping[str, Any]) -> None:
        """Replace the notes on a backup."""

    def try_out(self) -> None:
        """Write something, read it back, and remove it."""


def checked(name: str) -> str:
    """
    Return `name` if it can be one of a backup or store: it leads nowhere else.

    Raises:
        NameInvalid: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise errors.NameInvalid(name)
    return name
