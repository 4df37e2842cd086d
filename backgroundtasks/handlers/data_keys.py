"""
The keys of secret parameters: from the settings, from a file, or made from Django's own.

A file is read again when it changes, so that a rotation reaches running processes at once.
"""

from __future__ import annotations

import base64
import fcntl
import os
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from backgroundtasks import conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def current() -> list[str]:
    """Return the data keys, the one in use first: `DATA_KEYS`, else the file's, else derived."""
    if conf.DATA_KEYS:
        return [*conf.DATA_KEYS]
    path = file()
    if path is not None:
        found = path.stat()
        return _read(path, found.st_mtime_ns, found.st_ino)
    return [_derived(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def file() -> Path | None:
    """Return the file whose keys are in use; None when they come from elsewhere."""
    return None if conf.DATA_KEYS or not conf.DATA_KEYS_FILE else Path(conf.DATA_KEYS_FILE)


def put_new_key_in_front(path: Path) -> None:
    """Make a key and put it first in the file, all at once; the older ones stay readable."""
    with _alone_in(path.parent) as folder:
        _rewrite(path, [Fernet.generate_key().decode(), *path.read_text().split()], folder)


def put_behind(path: Path, keys: Iterable[str]) -> None:
    """Add keys that the file has not, all at once; the one in use stays."""
    with _alone_in(path.parent) as folder:
        known = path.read_text().split() if path.exists() else []
        _rewrite(path, list(dict.fromkeys([*known, *keys])), folder)


def _rewrite(path: Path, keys: list[str], folder: int) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # of a change that died here: it is in use nowhere
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as text:
        text.write("".join(f"{key}\n" for key in keys))
        text.flush()
        os.fsync(text.fileno())
    draft.replace(path)
    os.fsync(folder)


@contextmanager
def _alone_in(path: Path) -> Iterator[int]:
    """Hold a lock on the folder: two rotations at once would lose the key of one."""
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


@lru_cache(maxsize=1)
def _read(path: Path, _changed_ns: int, _inode: int) -> list[str]:
    return path.read_text().split()


def _derived(secret: str | bytes) -> str:
    """Return a data key made from Django's secret key, for projects that set none."""
    material = secret.encode() if isinstance(secret, str) else secret
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"backgroundtasks data key").derive(material)
    return base64.urlsafe_b64encode(key).decode()
