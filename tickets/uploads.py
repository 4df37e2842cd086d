"""
Uploaded results in the file store, from the request until their import has ended.

A file belongs to the account whose id begins its name. It is deleted when its import has
ended, well or not; an import that will be tried again keeps it. What was left behind all
the same (a machine that died) is removed by `sweep` after `conf.ABANDONED_AFTER`.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import IO, TYPE_CHECKING, cast

from django.core.files.storage import storages

from backgroundtasks import clock
from tickets import conf

if TYPE_CHECKING:
    from uuid import UUID

    from django.core.files import File
    from django.core.files.storage import Storage

_FOLDER = "results"
_NAME = re.compile(rf"{_FOLDER}/([0-9a-f]{{32}})/[0-9a-f]{{32}}")


def store() -> Storage:
    """Return the file store."""
    return storages["uploads"]


def new_name(account_id: UUID) -> str:
    """Return a name for a new file of the account; nobody can guess it."""
    return f"{_folder(account_id)}/{uuid.uuid4().hex}"


def belongs_to(name: str, account_id: UUID) -> bool:
    """Return whether `name` is the name of an upload of this account, there or not."""
    found = _NAME.fullmatch(name)
    return found is not None and found[1] == account_id.hex


def exists(name: str) -> bool:
    """Return whether the file is (still) there."""
    return store().exists(name)


def save(name: str, content: File[bytes]) -> None:
    """Store a file under exactly this name."""
    stored = store().save(name, content)
    if stored != name:  # storages rename what is taken; a fresh UUID never is
        store().delete(stored)
        raise FileExistsError(name)


def read(name: str) -> IO[bytes]:
    """
    Open a file for reading.

    Raises:
        FileNotFoundError: it is no longer there.
    """
    return cast("IO[bytes]", store().open(name, "rb"))


def delete(name: str) -> None:
    """Remove a file; one that is gone already is fine."""
    with contextlib.suppress(FileNotFoundError):
        store().delete(name)


def sweep(account_id: UUID) -> int:
    """Remove the account's abandoned files; return how many."""
    folder = _folder(account_id)
    oldest = clock.now() - conf.ABANDONED_AFTER
    removed = 0
    try:
        names = store().listdir(folder)[1]
    except FileNotFoundError:
        return 0
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            if store().get_modified_time(f"{folder}/{name}") < oldest:
                store().delete(f"{folder}/{name}")
                removed += 1
    return removed


def _folder(account_id: UUID) -> str:
    return f"{_FOLDER}/{account_id.hex}"
