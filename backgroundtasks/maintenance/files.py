"""The files that backups hold: those of the declared stores (`BACKUP_FILES`), by their names."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages

from backgroundtasks import conf
from backgroundtasks.maintenance.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from django.core.files.storage import Storage

_BLOCK: Final = 1024 * 1024


def aliases() -> list[str]:
    """Return the stores that backups hold and this project has."""
    return [alias for alias in conf.BACKUP_FILES if alias in settings.STORAGES]


def names(alias: str, *, since: datetime | None = None) -> Iterator[str]:
    """Yield the names of a store's files; with `since`, of those written at or after it."""
    store = storages[alias]
    for name in _below(store, ""):
        if since is not None:
            try:
                if store.get_modified_time(name) < since:
                    continue
            except FileNotFoundError:
                continue
        yield name


def size(alias: str, name: str) -> int:
    """Return a file's size in bytes; 0 when it is gone."""
    try:
        return storages[alias].size(name)
    except FileNotFoundError:
        return 0


def opened(alias: str, name: str) -> File[bytes] | None:
    """Open a file; None when it is gone."""
    try:
        return storages[alias].open(name, "rb")
    except FileNotFoundError:
        return None


def put(alias: str, name: str, staged: Path, aside: Path) -> bool:
    """
    Put a file back; one that is there with another content is kept in `aside`.

    Returns:
        Whether it was not there already, as it is.
    """
    store = storages[alias]
    if store.exists(name):
        with staged.open("rb") as content:
            wanted = hashlib.file_digest(content, "sha256").digest()
        if _digest_of(store, name) == wanted:
            return False
        kept = aside / alias / name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_name(f"{kept.name}.draft")
            with store.open(name, "rb") as old, draft.open("wb") as copy:
                shutil.copyfileobj(old, copy, _BLOCK)
            draft.replace(kept)
        store.delete(name)
    with staged.open("rb") as content:
        store.save(name, File(content, name))
    return True


def bring_back(aside: Path) -> None:
    """Undo what `put` replaced; what it added stays, for nothing refers to it."""
    for folder in aside.glob("*"):
        store = storages[folder.name]
        for kept in folder.rglob("*"):
            if kept.is_file() and not kept.name.endswith(".draft"):
                name = str(kept.relative_to(folder))
                with contextlib.suppress(FileNotFoundError):
                    store.delete(name)
                with kept.open("rb") as content:
                    store.save(name, File(content, name))


def checked(name: str) -> tuple[str, str]:
    """
    Return alias and name of a member `files/<alias>/<name>`.

    Raises:
        BackupDamaged: it leads somewhere else, or to a store that is not here.
    """
    _, alias, rest = [*name.split("/", 2), "", ""][:3]
    parts = rest.split("/")
    if alias not in aliases():
        raise BackupDamaged(f"it holds files of a store {alias!r}, which STORAGES does not name")
    if not rest or any(part in {"", ".", ".."} for part in parts) or "\0" in rest:
        raise BackupDamaged("a file in it has a name that leads elsewhere")
    return alias, rest


def _below(store: Storage, folder: str) -> Iterator[str]:
    try:
        folders, found = store.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    for name in sorted(found):
        yield prefix + name
    for name in sorted(folders):
        yield from _below(store, prefix + name)


def _digest_of(store: Storage, name: str) -> bytes:
    digest = hashlib.sha256()
    with store.open(name, "rb") as content:
        for block in content.chunks(_BLOCK):
            digest.update(block)
    return digest.digest()
