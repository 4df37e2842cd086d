"""What can be told of the backups of a store without their passcodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from backgroundtasks.maintenance import errors, sealing

if TYPE_CHECKING:
    from backgroundtasks.maintenance.stores.protocol import Store


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
        except errors.StoreUnreachable:
            raise
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


def try_out(store: Store) -> None:
    """
    Look whether a store can be listed, written to, and read from.

    Raises:
        StoreUnreachable: it cannot; says why.
    """
    try:
        store.names()
        store.try_out()
    except OSError as error:
        raise errors.StoreUnreachable(error.strerror or type(error).__name__) from None
