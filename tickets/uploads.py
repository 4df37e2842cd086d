"""
Files of an account in the file store: each in a folder of its kind and of its account.

Uploaded results are deleted when their import has ended, well or not; an import that will be tried
again keeps them. A selection is deleted when the action on it has ended well; one of an action that
is scheduled, when its schedule is gone or has another one. What was left behind all the same (a
machine that died) is removed after `conf.ABANDONED_AFTER`, an export after `conf.EXPORTS_KEPT`: by
the installation's cleaner, and in an account by its next import or action.
Contents of attachments go with their rows: see `tickets.attachments`.
"""

from __future__ import annotations

import contextlib
import logging
import re
import uuid
from typing import IO, TYPE_CHECKING, Final, cast

from django.core.files.storage import storages

from backgroundtasks import clock, queries
from tickets import conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta
    from uuid import UUID

    from django.core.files import File
    from django.core.files.storage import Storage

logger = logging.getLogger(__name__)

RESULTS: Final = "results"
SELECTIONS: Final = "selections"
EXPORTS: Final = "exports"
ATTACHMENTS: Final = "attachments"

#: The task type and its parameter that name a selection.
_SELECTED: Final = ("bulkaction", "selectionFile")
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


def delete_leftovers(names: Iterable[str], problems: list[OSError]) -> int:
    """Remove files; one that cannot be removed is noted, and keeps no other. Return how many went."""
    removed = 0
    for name in names:
        try:
            delete(name)
            removed += 1
        except OSError as error:
            logger.warning("upload.left_behind name=%s error=%s", name, error)
            problems.append(error)
    return removed


def sweep(account_id: UUID) -> int:
    """
    Remove the account's files that nobody will come back for; return how many.

    What cannot be removed fails no import or action: it is the installation's cleaner that says so.
    """
    return sum(
        _remove_older(folder(account_id, kind), clock.now() - age, [])
        for kind, age in _ages().items()
    )


def remove_leftovers() -> Iterator[int]:
    """
    Remove such files of all accounts, also of those that are gone; yield how many, by folder.

    Raises:
        OSError: the store is away, or some could not be removed: when all others are.
    """
    problems: list[OSError] = []
    for kind, age in _ages().items():
        for owner in folders_in(kind):
            yield _remove_older(owner, clock.now() - age, problems)
    if problems:
        raise problems[0]


def remove_all(account_id: UUID, before: datetime) -> None:
    """
    Remove every file that the account had at a moment.

    Raises:
        OSError: the store is away, or some could not be removed: when all others are.
    """
    problems: list[OSError] = []
    for kind in (RESULTS, SELECTIONS, EXPORTS):
        _remove_older(folder(account_id, kind), before, problems, needed=False)
    if problems:
        raise problems[0]


def folder(account_id: UUID, kind: str) -> str:
    """Return where the account's files of a kind are."""
    return f"{kind}/{account_id.hex}"


def folders_in(folder: str) -> list[str]:
    """Return the folders in a folder, with its name before theirs."""
    try:
        return [f"{folder}/{name}" for name in sorted(store().listdir(folder)[0])]
    except FileNotFoundError:
        return []


def files_in(folder: str) -> list[str]:
    """Return the files in a folder, with its name before theirs."""
    try:
        return [f"{folder}/{name}" for name in sorted(store().listdir(folder)[1])]
    except FileNotFoundError:
        return []


def older(names: Iterable[str], oldest: datetime) -> list[str]:
    """Return those of the files that are older."""
    return [name for name in names if _is_older(name, oldest)]


def _ages() -> dict[str, timedelta]:
    """Return how old files of each kind become."""
    return {
        RESULTS: conf.ABANDONED_AFTER,
        SELECTIONS: conf.ABANDONED_AFTER,
        EXPORTS: conf.EXPORTS_KEPT,
    }


def _remove_older(
    where: str, oldest: datetime, problems: list[OSError], *, needed: bool = True
) -> int:
    """
    Remove a folder's files that are older.

    Args:
        where: The folder.
        oldest: What is older goes.
        problems: Gets those of what could not be removed.
        needed: Keep what a schedule needs.
    """
    old = older(files_in(where), oldest)
    if needed and old and where.startswith(f"{SELECTIONS}/"):
        kept = queries.scheduled_values(*_SELECTED)
        old = [name for name in old if name not in kept]
    return delete_leftovers(old, problems)


def _is_older(name: str, oldest: datetime) -> bool:
    try:
        return bool(store().get_modified_time(name) < oldest)
    except FileNotFoundError:
        return False
