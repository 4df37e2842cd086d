"""`BackupRetentionCleaner`: removes backups past their retention date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backgroundtasks import clock, conf
from backgroundtasks.handlers import Outcome, TaskHandler, permissions
from backgroundtasks.maintenance import stores

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
        damaged: list[str] = []
        for store_name in sorted(conf.BACKUP_STORES):
            store = stores.get(store_name)
            found, unreadable = stores.listed(store)
            good = [backup for backup in found if backup.whole]
            damaged += [*unreadable, *(backup.name for backup in found if not backup.whole)]
            now = clock.now()
            for backup in good[1:]:
                context.checkpoint(safe=True)
                if backup.retention_date is not None and backup.retention_date <= now:
                    store.delete(backup.name)
                    removed.append(backup.name)
                    context.progress(len(removed), text=f"Removed {backup.name}")
        context.progress(len(removed), len(removed))
        return Outcome(
            {"removed": removed},
            [f"{name} is damaged: look at it, and delete it." for name in damaged],
        )
