"""`CreateBackup`: a complete, encrypted copy of the installation, made while it works."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from rest_framework import serializers

from backgroundtasks import clock, exceptions
from backgroundtasks.handlers import Outcome, SecretField, TaskFailed, TaskHandler, permissions
from backgroundtasks.maintenance import backup, stores
from backgroundtasks.maintenance.errors import MaintenanceError, StoreUnreachable
from backgroundtasks.models import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backgroundtasks.handlers import Actor, TaskContext

_DAY: Final = timedelta(days=1)
#: The shortest and the longest of each unit: months differ.
_UNITS: Final = {
    "day": (_DAY, _DAY),
    "week": (7 * _DAY, 7 * _DAY),
    "month": (28 * _DAY, 31 * _DAY),
}


class _Retention(serializers.Serializer[Any]):
    """How long a backup is kept, in words."""

    type = serializers.ChoiceField(choices=tuple(_UNITS))
    value = serializers.IntegerField(min_value=1, max_value=1000)


class _MetaData(serializers.Serializer[Any]):
    """What ArcGIS' clients say of the schedule that a backup belongs to."""

    recurring = serializers.BooleanField(default=False)
    startTime = serializers.RegexField(
        r"^([01]\d|2[0-3]):[0-5]\d$", required=False, help_text="HH:MM, UTC."
    )
    retention = _Retention(required=False)


class CreateBackup(TaskHandler):
    """
    Back up the whole installation.

    The names of its parameters are those of ArcGIS, whose clients see them as they were given.
    """

    task_type = "CreateBackup"
    permissions = permissions.SECURITY
    #: Another attempt begins anew, and finds nothing of the one before it.
    idempotent = True
    timeout = timedelta(days=1)

    class Parameters(serializers.Serializer[Any]):
        """Name, passcode and store, and how long the backup is kept."""

        name = serializers.RegexField(
            r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
            max_length=80,
            help_text="Beginning of the backup's name; the time (UTC) is appended.",
        )
        passcode = SecretField(
            min_length=8, max_length=1000, help_text="Needed again to restore; kept nowhere else."
        )
        storeName = serializers.CharField(
            required=False, max_length=100, help_text="Without: the default store at that time."
        )
        description = serializers.CharField(
            default="", max_length=1000, allow_blank=True, help_text="Readable without passcode."
        )
        retentionOffset = serializers.IntegerField(
            required=False,
            min_value=1,
            max_value=100 * 366 * 86_400_000,
            help_text="Milliseconds that the backup is kept; without: until somebody deletes it.",
        )
        metaData = _MetaData(required=False)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse two retentions that are not the same."""
            words = attrs.get("metaData", {}).get("retention")
            offset = attrs.get("retentionOffset")
            if words is None or offset is None:
                return attrs
            least, most = (words["value"] * unit for unit in _UNITS[words["type"]])
            if not least <= timedelta(milliseconds=offset) <= most:
                raise serializers.ValidationError(
                    {"retentionOffset": ["Does not agree with metaData.retention."]}
                )
            return attrs

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Return the same key for all: one backup at a time."""
        return "backup"

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse a store that there is not."""
        try:
            stores.get(parameters.get("storeName"))
        except MaintenanceError as error:
            raise exceptions.SubmissionRefused(str(error)) from None

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Make the backup."""
        meta = parameters.get("metaData", {})
        kept_for = _kept_for(parameters)
        wish = backup.Wish(
            name=parameters["name"],
            passcode=parameters["passcode"],
            description=parameters["description"],
            scheduled=bool(meta.get("recurring")) or _is_due(context),
            retention_date=None if kept_for is None else clock.now() + kept_for,
            run_id=str(context.run_id),
        )
        progress = _Progress(context)
        try:
            store_name = parameters.get("storeName") or stores.default_name()
            made = backup.make(stores.get(store_name), wish, progress)
        except StoreUnreachable as error:
            raise TaskFailed(str(error), temporary=True) from None
        except MaintenanceError as error:
            raise TaskFailed(str(error)) from None
        except FileExistsError as error:
            raise TaskFailed(f"There is a backup {error} already.", temporary=True) from None
        except OSError as error:
            raise TaskFailed(f"The backup cannot be written: {error.strerror or error}.") from None
        progress.end(f"Backup {made.name} has been created and verified.")
        until = wish.retention_date
        return Outcome(
            {
                "name": made.name,
                "store": store_name,
                "size": made.size,
                "files": made.manifest.file_count,
                "retention_date": None if until is None else until.astimezone(UTC).isoformat(),
            }
        )


class _Progress:
    """Tells a run's context, and stops with it."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._done = 0
        self._total = 0

    def expect(self, total: int) -> None:
        self._total = total

    def stage(self, text: str) -> None:
        self._context.message("info", "backup.stage", text)
        self._context.progress(self._done, max(self._total, self._done), text)

    def add(self, count: int) -> None:
        self._done += count
        self._total = max(self._total, self._done)  # it was an estimate
        self._context.progress(self._done, self._total)
        self._context.checkpoint(safe=True)

    def end(self, text: str) -> None:
        """Say that what was done is all there was."""
        self._context.progress(self._done, self._done, text)


def _is_due(context: TaskContext) -> bool:
    """Return whether a schedule has begun the run, whatever its parameters say of that."""
    return TaskStatus.objects.filter(pk=context.run_id, scheduled_for__isnull=False).exists()


def _kept_for(parameters: Mapping[str, Any]) -> timedelta | None:
    """Return how long the backup is kept; None: until somebody deletes it."""
    if "retentionOffset" in parameters:
        return timedelta(milliseconds=parameters["retentionOffset"])
    words = parameters.get("metaData", {}).get("retention")
    return None if words is None else words["value"] * _UNITS[words["type"]][1]
