"""What a backup says it holds: its last member, against which all others are checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from backgroundtasks.maintenance.errors import BackupDamaged

#: Names of members.
DATABASE: Final = "database"
DATA_KEYS: Final = "data_keys"
MANIFEST: Final = "manifest.json"
FILES: Final = "files/"


@dataclass(frozen=True, slots=True)
class Held:
    """What a backup says that it holds of something."""

    #: Bytes.
    size: int
    #: Of the database only in the first version: since then each frame has a checksum.
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`."""

    #: ISO 8601, UTC: the moment that the database shows.
    made_at: str
    release: str
    #: `sqlite` or `postgresql`.
    vendor: str
    database: Held
    #: Rows of each table.
    tables: dict[str, int]
    #: `app.name`, sorted.
    migrations: list[str]
    files: Held
    #: How many files; one that came twice counts twice.
    file_count: int
    #: The run that made it; it is unfinished in its own copy. Empty: none did.
    run_id: str = ""

    def as_json(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()


@dataclass
class FileDigest:
    """What is known of many files in memory that does not grow."""

    size: int = 0
    count: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, name: str, held: Held) -> None:
        """Take one more file, in the order of the backup."""
        self.size += held.size
        self.count += 1
        what = held.size.to_bytes(8) if held.sha256 is None else bytes.fromhex(held.sha256)
        self._digest.update(what + name.encode() + b"\0")

    def all(self) -> Held:
        """Return size and digest of all."""
        return Held(self.size, self._digest.hexdigest())


def parsed(content: bytes) -> Manifest:
    """
    Return a manifest as it was stored.

    Raises:
        BackupDamaged: it is none.
    """
    try:
        values = json.loads(content)
        for name in ("database", "files"):
            values[name] = Held(**values[name])
        return Manifest(**values)
    except (ValueError, TypeError, LookupError):
        raise BackupDamaged("its manifest cannot be read") from None
