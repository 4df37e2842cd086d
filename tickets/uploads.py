"""
Files of an account in the file store: each in a folder of its kind and of its account.

Uploaded results are deleted when their import has ended, well or not; an import that will be tried
again keeps them. A selection is deleted when the action on it has ended well. What was left behind
all the same (a machine that died) is removed by `sweep` after `conf.ABANDONED_AFTER`, an export
after `conf.EXPORTS_KEPT`.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import IO, TYPE_CHECKING, Final, cast

from django.core.files.storage import storages

from backgroundtasks import clock
from tickets import conf

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.core.files import File
    from django.core.files.storage import Storage

RESULTS: Final = "results"
SELECTIONS: Final = "selections"
EXPORTS: Final = "exports"

_NAME: Final = re.compile(r"([a-z]+)/([0-9a-f]{32})/[0-9a-f]{32}")


def store() -> Storage:
    """Return the file store."""
    return storages["uploads"]


def new_name(account_id: UUID, kind: str = RESULTS) -> str:
    """Return a name for a new file of the account; nobody can guess it."""
    return f"{folder(account_id, kind)}/{uuid.uuid4().hex}"


def belongs_to(name: str, account_id: UUID, kind: str = RESULTS) -> bool:
    """Return whether `name` is the name of a file of this account, there or not."""
    found = _NAME.fullmatch(name)
    return found is not None and found.groups() == (kind, account_id.hex)


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
    """Remove the account's files that nobody will come back for; return how many."""
    return sum(
        _remove_older(folder(account_id, kind), clock.now() - age)
        for kind, age in (
            (RESULTS, conf.ABANDONED_AFTER),
            (SELECTIONS, conf.ABANDONED_AFTER),
            (EXPORTS, conf.EXPORTS_KEPT),
        )
    )


def remove_all(account_id: UUID, before: datetime) -> None:
    """Remove every file that the account had at a moment."""
    for kind in (RESULTS, SELECTIONS, EXPORTS):
        _remove_older(folder(account_id, kind), before)


def folder(account_id: UUID, kind: str) -> str:
    """Return where the account's files of a kind are."""
    return f"{kind}/{account_id.hex}"


def _remove_older(where: str, oldest: datetime) -> int:
    """Remove a folder's files that are older."""
    removed = 0
    try:
        names = store().listdir(where)[1]
    except FileNotFoundError:
        return 0
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            if store().get_modified_time(f"{where}/{name}") < oldest:
                store().delete(f"{where}/{name}")
                removed += 1
    return removed
