"""What a restore has come to, outside the database that it replaces."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: The present data is being set aside and replaced; until here nothing was touched.
REPLACING: Final = "replacing"
#: All is replaced and has passed its checks; only what was set aside is still to be removed.
REPLACED: Final = "replaced"

_FILE: Final = "journal.json"


@dataclass(frozen=True, slots=True)
class Journal:
    """One restore that has begun to touch something."""

    #: Of the backup.
    name: str
    made_at: str
    phase: str
    #: Rows of each table of the backup.
    tables: dict[str, int]
    #: The run that made the backup; empty: none did.
    run_id: str

    def write(self, folder: Path) -> None:
        """Bring it to the disk, all at once."""
        draft = folder / f"{_FILE}.new"
        with draft.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / _FILE)
        sync(folder)


def read(folder: Path) -> Journal | None:
    """Return the restore that has not ended; None when there is none."""
    try:
        return Journal(**json.loads((folder / _FILE).read_text()))
    except FileNotFoundError:
        return None


def remove(folder: Path) -> None:
    """Note that the restore has ended, well or undone."""
    (folder / _FILE).unlink(missing_ok=True)
    sync(folder)


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
