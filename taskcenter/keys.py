"""The installation's secrets: read from the environment, or made once in the data folder."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def secret_key(data_dir: Path) -> str:
    """Return Django's secret key: `SECRET_KEY`, else the one in `<data>/secret_key`."""
    return os.environ.get("SECRET_KEY") or _read_or_make(
        data_dir / "secret_key", lambda: secrets.token_urlsafe(64)
    )


def given_data_keys() -> list[str]:
    """
    Return the keys of `TASKCENTER_DATA_KEYS` (comma-separated Fernet keys), the one in use first.

    They win over the file. Older keys stay in the list so that what they encrypted can be read.
    """
    given = os.environ.get("TASKCENTER_DATA_KEYS", "")
    return [key.strip() for key in given.split(",") if key.strip()]


def data_keys_file(data_dir: Path) -> Path:
    """
    Return `<data>/data_keys`, one key a line; it is made where there is none.

    `manage.py rotate_data_keys` puts a new key in front and encrypts everything anew.
    """
    path = data_dir / "data_keys"
    _read_or_make(path, lambda: Fernet.generate_key().decode())
    return path


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    """Return the file's text; make the file (0600) first where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where the name exists: of two processes that start at one
            # moment, both end up with the key of the first.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
