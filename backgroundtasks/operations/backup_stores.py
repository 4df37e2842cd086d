"""Register, validate and unregister backup stores, and choose the default one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction

from backgroundtasks import clock, exceptions
from backgroundtasks.handlers import permissions
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.errors import MaintenanceError, StoreConflict
from backgroundtasks.maintenance.stores import wanted
from backgroundtasks.models import BackupStore, Schedule, StoreKind, TaskStatus
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backgroundtasks.handlers import Actor

logger = logging.getLogger(__name__)

_WHO: Final = permissions.SECURITY
_USER: Final = "CreateBackup"


def register_store(
    actor: Actor,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any] | None = None,
    *,
    make_default: bool = False,
) -> stores.Known:
    """
    Register a backup store that has been tried out.

    Args:
        actor: An operator of the installation.
        name: As a backup's.
        kind: `local` or `s3`.
        settings: See `wanted.checked_settings`.
        credentials: Of an S3 store; the secret is sealed.
        make_default: Tasks that name no store take this one from now on.

    Raises:
        PermissionRefused: only operators may.
        NameInvalid, StoreInvalid: it cannot be one; nothing was stored.
        StoreConflict: the name, or the place, is another store's.
        StoreUnreachable: it cannot be listed, written to and read; nothing was stored.
    """
    permissions.require(_WHO, actor, "register a backup store")
    row = BackupStore(
        name=stores.checked(name),
        kind=kind,
        settings=wanted.checked_settings(kind, settings),
        credentials=wanted.checked_credentials(kind, credentials or {}),
    )
    _refuse_taken(row)
    stores.try_out(stores.build(row.kind, row.settings, row.credentials))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            if make_default:
                _choose(name)
    except IntegrityError:
        raise StoreConflict(f"There is a store {name!r} already.") from None
    logger.info("store.registered name=%s kind=%s by=%s", name, kind, actor.user.get_username())
    return stores.known(name)


def validate_store(actor: Actor, name: str) -> None:
    """
    Write something into a store, read it back, and remove it.

    Raises:
        PermissionRefused, StoreUnknown: as it says.
        StoreInvalid, StoreUnreachable: it cannot be used; says why.
    """
    permissions.require(_WHO, actor, "validate a backup store")
    stores.try_out(stores.get(name))


def renew_store_credentials(actor: Actor, name: str, credentials: Mapping[str, Any]) -> None:
    """
    Give a registered S3 store other credentials, which have been tried out.

    Raises:
        PermissionRefused, StoreUnknown, StoreInvalid, StoreUnreachable: nothing was changed.
        StoreConflict: the settings hold its credentials.
    """
    permissions.require(_WHO, actor, "change a backup store")
    known = _registered(name)
    renewed = wanted.checked_credentials(known.kind, credentials)
    stores.try_out(stores.build(known.kind, known.settings, renewed))
    BackupStore.objects.filter(name=name).update(credentials=renewed, updated_at=clock.now())
    logger.info("store.renewed name=%s by=%s", name, actor.user.get_username())


def make_store_default(actor: Actor, name: str) -> None:
    """
    Have tasks that name no store take this one from now on.

    Raises:
        PermissionRefused, StoreUnknown: as it says.
        StoreConflict: somebody else chose another one at this very moment.
    """
    permissions.require(_WHO, actor, "choose the default backup store")
    stores.known(name)
    try:
        with transaction.atomic():
            _choose(name)
    except IntegrityError:
        raise StoreConflict("Another store was made the default at this moment.") from None
    logger.info("store.default name=%s by=%s", name, actor.user.get_username())


def unregister_store(actor: Actor, name: str, *, leave_backups: bool = False) -> None:
    """
    Forget a registered store. Its backups stay where they are, and are there again with it.

    Args:
        actor: An operator of the installation.
        name: Of the store.
        leave_backups: Even though there are backups in it, or it cannot be reached.

    Raises:
        PermissionRefused, StoreUnknown: as it says.
        StoreConflict: the settings name it, it is the default, a schedule or a run needs it, or
            it holds backups.
    """
    permissions.require(_WHO, actor, "unregister a backup store")
    known = _registered(name)
    if known.is_default:
        raise StoreConflict(f"{name} is the default store: make another one the default first.")
    if not leave_backups:
        _refuse_filled(name)
    with transaction.atomic():
        _refuse_used(name)
        # A store that was made the default meanwhile is not lost either.
        deleted, _ = BackupStore.objects.filter(name=name, is_default=False).delete()
    if not deleted:
        raise StoreConflict(f"{name} was changed at this very moment.")
    logger.info("store.unregistered name=%s by=%s", name, actor.user.get_username())


def _registered(name: str) -> stores.Known:
    known = stores.known(name)
    if not known.registered:
        raise StoreConflict(f"The settings name the store {name} (BACKUP_STORES): change it there.")
    return known


def _choose(name: str) -> None:
    """Mark a store; one of the settings gets a row for that."""
    BackupStore.objects.filter(is_default=True).exclude(name=name).update(is_default=False)
    marked = BackupStore.objects.filter(name=name).update(is_default=True)
    if not marked:
        BackupStore.objects.create(name=name, kind=StoreKind.SETTINGS, is_default=True)


def _refuse_taken(row: BackupStore) -> None:
    for known in stores.all_known():
        if known.name == row.name:
            raise StoreConflict(f"There is a store {row.name!r} already.")
        if known.kind == row.kind and _place(known.settings) == _place(row.settings):
            raise StoreConflict(f"This place is the store {known.name!r} already.")
    # A row that only marked a store which the settings have no longer.
    BackupStore.objects.filter(name=row.name, kind=StoreKind.SETTINGS).delete()


def _place(settings: Mapping[str, Any]) -> tuple[str, ...]:
    if "path" in settings:
        return (str(wanted.real(settings["path"])),)
    return tuple(settings.get(name) or "" for name in ("endpoint_url", "bucket", "prefix"))


def _refuse_filled(name: str) -> None:
    try:
        backups = stores.get(name).names()
    except (MaintenanceError, exceptions.SecretUnreadable, OSError) as error:
        raise StoreConflict(
            f"Nobody can tell whether there are backups in {name}: {error} "
            "Unregister it all the same by leaving its backups behind."
        ) from None
    if backups:
        raise StoreConflict(
            f"There are {len(backups)} backups in {name}: delete them first, or unregister it and "
            "leave them where they are."
        )


def _refuse_used(name: str) -> None:
    scheduled = Schedule.objects.filter(
        task__task_type=_USER, task__parameters__storeName=name
    ).values_list("task_id", "task__title")
    if used := [title or str(pk) for pk, title in scheduled[:5]]:
        raise StoreConflict(f"Schedules use {name}: {', '.join(used)}.")
    runs = TaskStatus.objects.filter(task_type=_USER, task__parameters__storeName=name)
    if run := runs.exclude(state__in=FINAL).first():
        raise StoreConflict(f"The run {run.pk} makes a backup in {name}: let it end first.")
