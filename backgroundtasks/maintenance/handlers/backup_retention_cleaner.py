"""`BackupRetentionCleaner`: removes backups past their retention date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backgroundtasks import clock, exceptions
from backgroundtasks.handlers import Outcome, TaskHandler, permissions
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.errors import BackupInUse, BackupNotFound, MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backgroundtasks.handlers import TaskContext


class BackupRetentionCleaner(TaskHandler):
    """
    Remove backups past their retention date.

    Of every store the newest good one stays, however old: its header can be read, and it is as
    long as when it was verified. Damaged ones stay, too, and are named in a warning.
    """

    task_type = "BackupRetentionCleaner"
    permissions = permissions.INSTALLATION
    idempotent = True

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Return the same key for all: one cleaner at a time."""
        return "cleaner"

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Look through all stores."""
        removed: list[str] = []
        warnings: list[str] = []
        for known in stores.all_known():
            try:
                self._clean(stores.get(known.name), context, removed, warnings)
            except (MaintenanceError, exceptions.SecretUnreadable) as error:
                # One store that is away keeps no other from being cleaned.
                warnings.append(f"{known.name}: {error}")
            except OSError as error:
                # Without its path: warnings are read through every door.
                warnings.append(f"{known.name}: {error.strerror or type(error).__name__}.")
        context.progress(len(removed), len(removed), "Backups past their retention are removed.")
        return Outcome({"removed": removed}, warnings)

    @staticmethod
    def _clean(
        store: stores.Store, context: TaskContext, removed: list[str], warnings: list[str]
    ) -> None:
        """Clean one store; add to what was removed, and what somebody has to look at."""
        found, unreadable = stores.listed(store)
        damaged = [*unreadable, *(backup.name for backup in found if not backup.whole)]
        warnings += [f"{name} is damaged: look at it, and delete it." for name in damaged]
        now = clock.now()
        for backup in [backup for backup in found if backup.whole][1:]:
            context.checkpoint(safe=True)
            if backup.retention_date is None or backup.retention_date > now:
                continue
            try:
                store.delete(backup.name)
            except BackupNotFound:
                continue
            except BackupInUse as error:
                warnings.append(str(error))
                continue
            removed.append(backup.name)
            context.progress(len(removed), text=f"Removed {backup.name}")
