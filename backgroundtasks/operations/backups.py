"""Delete backups, change how long they are kept, and prepare to restore one."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import connection

from backgroundtasks.handlers import permissions
from backgroundtasks.maintenance import databases, sealing, stores
from backgroundtasks.maintenance.errors import OtherDatabase, RestoreRefused
from backgroundtasks.models import TaskStatus
from backgroundtasks.operations.submit import Submission, submit
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from datetime import datetime

    from backgroundtasks.handlers import Actor

logger = logging.getLogger(__name__)

_WHO: Final = permissions.SECURITY


@dataclass(frozen=True, slots=True)
class Prepared:
    """A restore that somebody with a shell may go on with."""

    #: What to type there: passcode and backup fit each other.
    command: str
    #: The run that reads all of the backup meanwhile.
    submission: Submission


def delete_backup(actor: Actor, store_name: str, name: str) -> None:
    """
    Delete a backup, and its notes.

    Raises:
        PermissionRefused, StoreUnknown, BackupNotFound: as it says.
        BackupInUse: it is being verified or restored.
        StoreUnreachable, OSError: it may be there still.
    """
    permissions.require(_WHO, actor, "delete a backup")
    stores.get(store_name).delete(name)
    logger.info(
        "backup.deleted name=%s store=%s by=%s", name, store_name, actor.user.get_username()
    )


def keep_backup_until(actor: Actor, store_name: str, name: str, until: datetime | None) -> None:
    """
    Change when a backup may be removed by itself; None: never.

    Raises:
        PermissionRefused, StoreUnknown, BackupNotFound, StoreUnreachable: nothing was changed.
    """
    permissions.require(_WHO, actor, "change how long a backup is kept")
    store = stores.get(store_name)
    kept = store.notes(name)
    store.annotate(name, kept | {"retention_date": None if until is None else until.isoformat()})


def prepare_restore(actor: Actor, store_name: str, name: str, passcode: str) -> Prepared:
    """
    Look whether a backup can be restored here, and have a run read all of it.

    That takes the length of a key derivation: what needs minutes is the run's. Restoring itself
    needs a closed installation, and so a shell.

    Raises:
        PermissionRefused, StoreUnknown, BackupNotFound, StoreUnreachable: as it says.
        BackupUnusable: a wrong passcode, damage, a newer release, the other kind of database.
        RestoreRefused: a backup is being made.
    """
    permissions.require(_WHO, actor, "restore a backup")
    store = stores.get(store_name)
    with store.open(name) as file:
        header = sealing.Unsealer(file, passcode).header
    made_on = header.info.get("database", "?")
    if made_on != connection.vendor:
        raise OtherDatabase(databases.known(made_on), databases.known(connection.vendor))
    making = TaskStatus.objects.filter(task_type="CreateBackup").exclude(state__in=FINAL)
    if run := making.first():
        raise RestoreRefused(f"A backup is being made (run {run.pk}): let it end, or cancel it.")
    submission = submit(
        actor, "VerifyBackup", {"name": name, "storeName": store_name, "passcode": passcode}
    )
    # Its name, also of the default: another one may be that by then.
    command = shlex.join(["manage.py", "restore_backup", name, "--store", store_name])
    return Prepared(command, submission)
