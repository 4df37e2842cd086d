"""`…/backups`: backups of a store, made, kept longer, deleted and prepared to be restored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import clock, conf, operations
from backgroundtasks.api.arcgis import backup_stores, jobs, values
from backgroundtasks.api.arcgis.access import SECURITY_AND_INFRASTRUCTURE
from backgroundtasks.api.arcgis.backup_stores import reachable
from backgroundtasks.api.arcgis.errors import invalid
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.arcgis.resource import Body, Call, Done, Link, Operation, Resource, facts
from backgroundtasks.api.arcgis.vocabulary import milliseconds
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.errors import BackupUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_PATH: Final = f"{backup_stores.PATH}/<str:store_name>/backups"
#: Of 10.9; the vendor's Python client still asks there. The store is a parameter.
_OLD: Final = "system/disasterrecovery/backuprestore"
_STORE: Final = Field("storeName", "Store", help="None: the default one.")


def backup_body(store: str, found: stores.Backup) -> Body:
    """Return a backup, from what its header says."""
    body: Body = {
        "backupName": found.name,
        "name": found.name,
        "backupStore": store,
        "backupType": "FULL",
        "scheduleType": "SCHEDULED" if found.scheduled else "MANUAL",
        "completeTime": milliseconds(found.made_at),
        "description": found.description,
        "release": found.release,
        "siteName": conf.ARCGIS_CONTEXT,
        "database": found.database,
        "size": found.size,
        "state": "available" if found.whole else "damaged",
    }
    if found.retention_date is not None:
        body["retentionDate"] = milliseconds(found.retention_date)
    return body


def _store_of(call: Call) -> str:
    """Return the name of the store that a request is about."""
    named = call.parts.get("store_name") or call.given.word("storeName")
    return stores.known(named).name if named else stores.default_name()


def _list(call: Call) -> Body:
    store = _store_of(call)
    with reachable():
        found, unreadable = stores.listed(stores.get(store))
    damaged = [
        {"backupName": name, "name": name, "backupStore": store, "state": "damaged"}
        for name in unreadable
    ]
    return {"backups": [*(backup_body(store, one) for one in found), *damaged]}


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            one["backupName"],
            # Also from the old path, which does not say in which store.
            BACKUP.filled({"store_name": one["backupStore"], "backup_name": one["backupName"]}),
            facts=facts(one, "state", "scheduleType", "completeTime", "retentionDate", "size"),
        )
        for one in body["backups"]
    ]


def _show(call: Call) -> Body:
    store, name = _store_of(call), call.parts["backup_name"]
    with reachable():
        place = stores.get(store)
        try:
            return backup_body(store, stores.describe(place, name))
        except (BackupUnusable, LookupError, ValueError, TypeError):
            # It can be deleted still.
            return {
                "backupName": name,
                "name": name,
                "backupStore": store,
                "size": place.size(name),
                "state": "damaged",
            }


def _create(call: Call) -> Done:
    given = call.given
    parameters: dict[str, Any] = {
        "name": values.required(given, "name"),
        "passcode": given.text("passcode") or "",
        "storeName": _store_of(call),
        "description": given.text("description") or "",
    }
    until = _until(call)
    if until is not None:
        parameters["retentionOffset"] = milliseconds(until) - milliseconds(clock.now())
    submission = operations.submit(call.actor, "CreateBackup", parameters)
    return jobs.started(call, submission.run_id)


def _until(call: Call) -> datetime | None:
    until = values.moment(call.given, "retentionDate")
    if until is not None and until <= clock.now():
        raise invalid("retentionDate has passed.")
    return until


def _update(call: Call) -> Done:
    if not call.given.word("retentionDate"):
        raise invalid("retentionDate is required.")
    with reachable():
        operations.keep_backup_until(
            call.actor, _store_of(call), call.parts["backup_name"], _until(call)
        )
    return Done({"status": "success", "success": True}, call.path)


def _delete(call: Call) -> Done:
    with reachable():
        operations.delete_backup(call.actor, _store_of(call), call.parts["backup_name"])
    return Done({"status": "success", "success": True}, call.path.rpartition("/")[0])


def _restore(call: Call) -> Done:
    passcode = call.given.text("passcode")
    if not passcode:
        raise invalid("passcode is required.")
    with reachable():
        prepared = operations.prepare_restore(
            call.actor, _store_of(call), call.parts["backup_name"], passcode
        )
    job = jobs.started(call, prepared.submission.run_id)
    message = (
        "Nothing was restored yet: that needs a closed installation, and so a shell. The passcode "
        "fits, and this job reads all of the backup. Then: manage.py maintenance on, stop the "
        f"workers, {prepared.command}, manage.py maintenance off."
    )
    return Done({"status": "success", "message": message, **job.body}, job.then)


def _fields_to_create(_call: Call) -> Sequence[Field]:
    return (
        Field("name", "Name", required=True, help="Its time (UTC) is put behind it."),
        Field(
            "passcode",
            "Passcode",
            "password",
            required=True,
            help="At least 8 characters; needed again to restore, and kept nowhere.",
        ),
        Field("description", "Description", "textarea", help="Readable without the passcode."),
        Field(
            "retentionDate",
            "Retention date",
            "datetime",
            help="UTC; or milliseconds since 1970; none: kept until somebody deletes it.",
        ),
    )


def _fields_of_old(call: Call) -> Sequence[Field]:
    return (_STORE, *_fields_to_create(call))


_RETENTION_DATE: Final = Field(
    "retentionDate",
    "Retention date",
    "datetime",
    required=True,
    help="UTC; or milliseconds since 1970.",
)


def _fields_to_update(call: Call) -> Sequence[Field]:
    return (_RETENTION_DATE.showing(_show(call).get("retentionDate")),)


_PASSCODE: Final = Field(
    "passcode", "Passcode", "password", required=True, help="That it was made with."
)


def _fields_to_restore(_call: Call) -> Sequence[Field]:
    return (_PASSCODE,)


_CREATE: Final = Operation(
    "create",
    "Create Backup",
    _create,
    _fields_to_create,
    "Makes a complete, encrypted copy while everything works.",
)
_OF_ONE: Final = (
    Operation(
        "restore",
        "Restore",
        _restore,
        _fields_to_restore,
        "Tries the passcode, begins to read all of the backup, and says what to type in a shell.",
        takes=(_PASSCODE,),
    ),
    Operation(
        "update",
        "Update Backup",
        _update,
        _fields_to_update,
        "Changes when it may be removed by itself.",
        takes=(_RETENTION_DATE,),
    ),
    Operation("delete", "Delete Backup", _delete, destructive=True),
)


def _of_old(operation: Operation) -> Operation:
    """Return an operation on a backup whose store is a parameter."""

    def fields(call: Call) -> Sequence[Field]:
        store = _STORE.showing(call.given.word(_STORE.name))
        return (store, *operation.fields(call))

    return replace(operation, fields=fields, takes=(_STORE, *operation.takes))


BACKUPS: Final = Resource(
    _PATH,
    SECURITY_AND_INFRASTRUCTURE,
    _list,
    operations=(_CREATE,),
    links=_listed,
    listed=("backups",),
    text="The backups of this store, the newest first.",
)
BACKUP: Final = Resource(
    f"{_PATH}/<str:backup_name>", SECURITY_AND_INFRASTRUCTURE, _show, operations=_OF_ONE
)
#: The same, as 10.9 had them.
OLD: Final = (
    Resource(
        f"{_OLD}/backups",
        SECURITY_AND_INFRASTRUCTURE,
        _list,
        links=_listed,
        listed=("backups",),
        fields=(_STORE,),
        text="The backups of a store, by the path of version 10.9.",
    ),
    Resource(
        f"{_OLD}/backups/<str:backup_name>",
        SECURITY_AND_INFRASTRUCTURE,
        _show,
        operations=tuple(_of_old(operation) for operation in _OF_ONE),
        fields=(_STORE,),
    ),
)
OLD_CREATE: Final = Operation(
    "backup", "Create Backup", _create, _fields_of_old, "As version 10.9 called it."
)
