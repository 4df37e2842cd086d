"""
What can be wrong with a backup, or forbids to make or restore one.

    MaintenanceError
    ├── NameInvalid
    ├── StoreUnknown
    ├── StoreInvalid
    ├── StoreConflict
    ├── StoreUnreachable
    ├── BackupNotFound
    ├── BackupInUse
    ├── BackupUnusable
    │   ├── NoBackup
    │   ├── BackupTooNew
    │   ├── BackupDamaged
    │   ├── PasscodeWrong
    │   └── OtherDatabase
    ├── ToolMissing
    ├── ToolFailed
    └── RestoreRefused

Every text says what to do. None holds a passcode, a key or a password.
"""

from __future__ import annotations


class MaintenanceError(Exception):
    """Never raised itself; catch it to catch whatever maintenance refuses."""


class NameInvalid(MaintenanceError):
    """A name of a backup or store that cannot be one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:60]!r} is no name: at most 100 letters, digits, dots, dashes and "
            "underscores, the first a letter or digit."
        )


class StoreUnknown(MaintenanceError):
    """There is no such store."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"There is no backup store {name[:60]!r}; "
            + (f"there is {', '.join(known)}." if known else "BACKUP_STORES names none.")
        )


class StoreInvalid(MaintenanceError):
    """What a store is to be cannot be one."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"This is no backup store. {what}: {problem}")
        #: The setting that is wrong.
        self.what = what


class StoreConflict(MaintenanceError):
    """The store is in a state, or in a use, that forbids this."""


class StoreUnreachable(MaintenanceError):
    """The store cannot be read, or not be written to, now."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The backup store cannot be used: {why}.")


class BackupNotFound(MaintenanceError):
    """The store has no such backup."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no backup {name!r}: list_backups shows those that there are.")


class BackupInUse(MaintenanceError):
    """Somebody reads the backup."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The backup {name!r} is being read, to verify or restore it: delete it afterwards."
        )


class BackupUnusable(MaintenanceError):
    """It is there, but cannot be restored here."""


class NoBackup(BackupUnusable):
    """The file is none of ours."""

    def __init__(self) -> None:
        super().__init__("This file is no backup of the task center, or its beginning is damaged.")


class BackupTooNew(BackupUnusable):
    """A later release made it."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The backup was made by a newer release ({what}): restore it with that one, or a "
            "later one."
        )


class BackupDamaged(BackupUnusable):
    """Some of it is missing, changed or out of order."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The backup is damaged: {what}. Take another one.")


class PasscodeWrong(BackupUnusable):
    """The passcode is not the one that it was made with."""

    def __init__(self) -> None:
        super().__init__("The passcode is not the one that the backup was made with.")


class OtherDatabase(BackupUnusable):
    """It is of the other kind of database."""

    def __init__(self, made_on: str, here: str) -> None:
        super().__init__(
            f"The backup was made on {made_on}, this installation runs on {here}: restore it "
            f"where DATABASE_URL names a {made_on} database."
        )


class ToolMissing(MaintenanceError):
    """A program of PostgreSQL is not installed, or too old."""


class ToolFailed(MaintenanceError):
    """A program of PostgreSQL ended with an error."""


class RestoreRefused(MaintenanceError):
    """The installation is not in a condition to be restored."""
