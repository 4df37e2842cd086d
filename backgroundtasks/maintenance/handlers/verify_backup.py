"""`VerifyBackup`: reads all of a backup, and says what it holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from backgroundtasks import exceptions
from backgroundtasks.handlers import Outcome, SecretField, TaskFailed, TaskHandler, permissions
from backgroundtasks.maintenance import backup, stores
from backgroundtasks.maintenance.errors import MaintenanceError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backgroundtasks.handlers import Actor, TaskContext


class VerifyBackup(TaskHandler):
    """Read a backup to its end, compare it with its manifest, and change nothing."""

    task_type = "VerifyBackup"
    permissions = permissions.SECURITY
    idempotent = True
    timeout = timedelta(days=1)

    class Parameters(serializers.Serializer[Any]):
        """Which backup, and what it was made with."""

        name = serializers.CharField(max_length=100)
        storeName = serializers.CharField(
            required=False, max_length=100, help_text="Without: the default store at that time."
        )
        passcode = SecretField(max_length=1000, help_text="That it was made with.")

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Return the backup's name: it is read once at a time."""
        return str(parameters["name"])

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse a backup that there is not."""
        try:
            stores.get(parameters.get("storeName")).size(parameters["name"])
        except MaintenanceError as error:
            raise exceptions.SubmissionRefused(str(error)) from None

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Read it."""
        name = parameters["name"]
        try:
            store = stores.get(parameters.get("storeName"))
            size = store.size(name)
            with store.open(name, held=True) as file:

                def told(_count: int) -> None:
                    context.progress(file.tell(), size, "Reading")
                    context.checkpoint(safe=True)

                content = backup.verify(file, parameters["passcode"], told)
        except StoreUnreachable as error:
            raise TaskFailed(str(error), temporary=True) from None
        except MaintenanceError as error:
            raise TaskFailed(str(error)) from None
        except OSError as error:
            raise TaskFailed(f"The backup cannot be read: {error.strerror or error}.") from None
        rows = sum(content.tables.values())
        context.progress(size, size, f"{name} is whole.")
        return Outcome(
            {
                "name": name,
                "made_at": content.made_at,
                "release": content.release,
                "database": content.vendor,
                "tables": len(content.tables),
                "rows": rows,
                "files": content.file_count,
            }
        )
