"""
Which stores there are: those of the settings, then the registered ones.

A store of the settings needs no database: from there an installation is restored whose
database is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.db import DatabaseError, connection

from backgroundtasks import conf
from backgroundtasks.handlers import secrets
from backgroundtasks.maintenance import errors
from backgroundtasks.maintenance.stores import wanted
from backgroundtasks.maintenance.stores.local import LocalStore
from backgroundtasks.maintenance.stores.s3 import S3Store
from backgroundtasks.models import Account, BackupStore, StoreKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backgroundtasks.maintenance.stores.protocol import Store

#: The store of the settings that is taken where nobody made another one the default.
_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Known:
    """A store, as it may be shown: without its credentials."""

    name: str
    #: `local` or `s3`.
    kind: str
    #: As `wanted` checks them: a path, or bucket, prefix, endpoint_url and region.
    settings: Mapping[str, Any]
    is_default: bool
    #: It was registered, and can be unregistered; else the settings name it.
    registered: bool
    #: With sealed values; never shown.
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)


def all_known() -> list[Known]:
    """Return all stores, those of the settings first, each group by name. Queries: one."""
    return list(_known(list(BackupStore.objects.order_by("name"))))


def known(name: str) -> Known:
    """
    Return a store by its name.

    Raises:
        StoreUnknown: there is none.
    """
    stores = all_known()
    for store in stores:
        if store.name == name:
            return store
    raise errors.StoreUnknown(name, [store.name for store in stores])


def get(name: str | None = None) -> Store:
    """
    Return the store of this name; without one, the default.

    The database is asked only for what the settings do not know.

    Raises:
        StoreUnknown: there is none.
        StoreInvalid, StoreUnreachable: its settings cannot be used here (any more).
    """
    if name is None:
        name = default_name()
    if name in conf.BACKUP_STORES:
        return _of_settings(conf.BACKUP_STORES[name])
    row = None
    try:
        row = BackupStore.objects.filter(name=name).exclude(kind=StoreKind.SETTINGS).first()
    except DatabaseError:
        connection.close()  # a database without our tables, or a broken one
    if row is None:
        raise errors.StoreUnknown(name, _names())
    return build(row.kind, row.settings, row.credentials)


def default_name() -> str:
    """
    Return the name of the default store.

    Raises:
        StoreUnknown: there is no store at all.
    """
    try:
        chosen = BackupStore.objects.filter(is_default=True).first()
    except DatabaseError:
        connection.close()
        chosen = None
    if chosen and (chosen.kind != StoreKind.SETTINGS or chosen.name in conf.BACKUP_STORES):
        return chosen.name
    return _default_of_settings()


def build(kind: str, settings: Mapping[str, Any], credentials: Mapping[str, Any]) -> Store:
    """
    Return the store that checked settings and sealed credentials describe.

    Raises:
        StoreInvalid: its folder is not (any more) below one that the settings allow.
        SecretUnreadable: the credentials were sealed with a key that is gone.
    """
    if kind == StoreKind.LOCAL:
        return LocalStore(wanted.allowed_folder(settings["path"]))
    opened = secrets.unseal(dict(credentials))
    return S3Store(**settings, **opened, owner=_installation, guarded=True)


def at(place: str) -> Store:
    """
    Return the store at a folder, or at `s3://bucket/prefix`, that nobody has registered.

    For whoever has a shell and no database yet: credentials are those of the environment.
    """
    if place.startswith("s3://"):
        parts = urlsplit(place)
        return S3Store(bucket=parts.netloc, prefix=parts.path.strip("/"), owner=_installation)
    return LocalStore(Path(place))


def _of_settings(given: str | Mapping[str, Any]) -> Store:
    """Return a store of the settings: a folder, or the arguments of an S3 store."""
    if isinstance(given, Mapping):
        return S3Store(
            **{name: value for name, value in given.items() if name != "kind"}, owner=_installation
        )
    return LocalStore(Path(given))


def _known(rows: list[BackupStore]) -> Iterator[Known]:
    chosen = next((row.name for row in rows if row.is_default), None)
    registered = {row.name: row for row in rows if row.kind != StoreKind.SETTINGS}
    if chosen not in conf.BACKUP_STORES and chosen not in registered:
        chosen = _default_of_settings() if conf.BACKUP_STORES else None
    for name, given in sorted(conf.BACKUP_STORES.items()):
        is_mapping = isinstance(given, Mapping)
        yield Known(
            name,
            StoreKind.S3.value if is_mapping else StoreKind.LOCAL.value,
            {key: given[key] for key in wanted.SHOWN if key in given}
            if is_mapping
            else {"path": str(given)},
            is_default=name == chosen,
            registered=False,
        )
    for name, row in registered.items():
        if name not in conf.BACKUP_STORES:
            yield Known(
                name, row.kind, row.settings, name == chosen, registered=True,
                credentials=row.credentials,
            )  # fmt: skip


def _names() -> list[str]:
    try:
        rows = BackupStore.objects.exclude(kind=StoreKind.SETTINGS)
        return sorted({*conf.BACKUP_STORES, *rows.values_list("name", flat=True)})
    except DatabaseError:
        connection.close()
        return sorted(conf.BACKUP_STORES)


def _default_of_settings() -> str:
    stores = sorted(conf.BACKUP_STORES)
    if not stores:
        raise errors.StoreUnknown(_DEFAULT, [])
    return _DEFAULT if _DEFAULT in stores else stores[0]


def _installation() -> str:
    """Return what tells this installation's drafts from another one's in the same bucket."""
    account = Account.objects.filter(is_system=True).first()
    return account.pk.hex if account else "nobody"
