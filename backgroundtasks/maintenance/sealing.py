"""
The outside of a backup: a readable header, then encrypted chunks.

Each chunk is AES-256-GCM under a key made from the passcode (scrypt). Its nonce holds its
number and whether it is the last, so that none can be left out, moved, repeated or taken from
another backup unnoticed. `docs/reference/backup_format.md` has every byte.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from backgroundtasks.maintenance.errors import BackupDamaged, BackupTooNew, NoBackup, PasscodeWrong

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC: Final = b"TCBACKUP"
#: What we write; older ones are read, too. What they hold differs, not what is in this module.
VERSION: Final = 2
#: Bytes of a chunk before it is encrypted; the last one may be shorter.
CHUNK: Final = 1024 * 1024

_SCRYPT: Final = 1
#: 32 MiB and about 0.3 s: what OWASP advises where 128 MiB are too much.
_LOG2_N, _R, _P = 15, 8, 3
#: Never spend more than this on a header that nobody has vouched for yet.
_MOST_LOG2_N, _MOST_R, _MOST_P, _MOST_CHUNK, _MOST_INFO = 17, 8, 4, 8 * CHUNK, 64 * 1024
_START: Final = struct.Struct(">8sH")
_REST: Final = struct.Struct(">BBBBI16s7sI")
_TAG: Final = 16
_DIGEST: Final = 32
_MOST_CHUNKS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in front of the chunks."""

    version: int
    #: What anybody may know: name, times, versions.
    info: Mapping[str, Any]
    log2_n: int
    r: int
    p: int
    chunk: int
    salt: bytes
    prefix: bytes
    #: SHA-256 of all of the above as it stands in the file; every chunk is bound to it.
    digest: bytes
    #: Says whether a passcode is the right one.
    check: bytes


class Passcode:
    """A passcode, with the keys that were made of it last: making them takes a while."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._made: tuple[tuple[bytes, int, int, int], tuple[bytes, bytes]] | None = None

    def keys(self, salt: bytes, log2_n: int, r: int, p: int) -> tuple[bytes, bytes]:
        """Return the key of the chunks and that of the header's check."""
        asked = (salt, log2_n, r, p)
        if self._made is None or self._made[0] != asked:
            kdf = Scrypt(salt=salt, length=64, n=2**log2_n, r=r, p=p)
            derived = kdf.derive(self._text.encode())
            self._made = asked, (derived[:32], derived[32:])
        return self._made[1]


class Sealer(RawIOBase):
    """Writes a backup's outside: what is written to it goes encrypted to `file`."""

    def __init__(self, file: IO[bytes], info: Mapping[str, Any], passcode: str | Passcode) -> None:
        super().__init__()
        passcode = Passcode(passcode) if isinstance(passcode, str) else passcode
        salt, prefix = os.urandom(16), os.urandom(7)
        text = json.dumps(dict(info), sort_keys=True).encode()
        start = _START.pack(MAGIC, VERSION) + _REST.pack(
            _SCRYPT, _LOG2_N, _R, _P, CHUNK, salt, prefix, len(text)
        )
        digest = hashlib.sha256(start + text).digest()
        key, check_key = passcode.keys(salt, _LOG2_N, _R, _P)
        check = hmac.digest(check_key, digest, "sha256")
        file.write(start + text + digest + check)
        self._file = file
        self._cipher = AESGCM(key)
        self._prefix = prefix
        self._digest = digest
        self._number = 0
        self._held = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Encrypt `data`, but for what may be the beginning of the last chunk."""
        view = memoryview(data).cast("B")
        taken = 0
        while taken < len(view):
            if len(self._held) == CHUNK:
                self._seal(last=False)
            portion = view[taken : taken + CHUNK - len(self._held)]
            self._held += portion
            taken += len(portion)
        return taken

    def finish(self) -> None:
        """Write the last chunk; without it the file is no backup."""
        self._seal(last=True)

    def _seal(self, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._file.write(self._cipher.encrypt(nonce, self._held, self._digest))
        self._held.clear()
        self._number += 1


class Unsealer(RawIOBase):
    """Reads what a `Sealer` wrote; every byte that it gives has been vouched for."""

    def __init__(self, file: IO[bytes], passcode: str | Passcode) -> None:
        """
        Read the header and try the passcode.

        Raises:
            NoBackup, BackupTooNew, BackupDamaged, PasscodeWrong: nothing of it can be read.
        """
        super().__init__()
        passcode = Passcode(passcode) if isinstance(passcode, str) else passcode
        self.header = header = read_header(file)
        key, check_key = passcode.keys(header.salt, header.log2_n, header.r, header.p)
        if not hmac.compare_digest(hmac.digest(check_key, header.digest, "sha256"), header.check):
            raise PasscodeWrong
        self._file = file
        self._cipher = AESGCM(key)
        self._number = 0
        self._next = file.read(header.chunk + _TAG)
        self._open = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Read decrypted bytes.

        Raises:
            BackupDamaged: a chunk is missing, changed, or not in its place.
        """
        if not self._open and not self._ended:
            self._unseal()
        view = memoryview(buffer).cast("B")
        portion = self._open[: len(view)]
        view[: len(portion)] = portion
        self._open = self._open[len(portion) :]
        return len(portion)

    def drain(self) -> None:
        """
        Read to the end and throw away: what follows the content must be whole, too.

        Raises:
            BackupDamaged: it is not.
        """
        while not self._ended:
            self._unseal()

    def _unseal(self) -> None:
        sealed, self._next = self._next, self._file.read(self.header.chunk + _TAG)
        last = not self._next
        nonce = _nonce(self.header.prefix, self._number, last=last)
        try:
            self._open = memoryview(self._cipher.decrypt(nonce, sealed, self.header.digest))
        except (InvalidTag, ValueError):
            what = "its end is missing or changed" if last else f"chunk {self._number} is changed"
            raise BackupDamaged(what) from None
        self._number += 1
        self._ended = last


def read_header(file: IO[bytes]) -> Header:
    """
    Read what anybody may read of a backup; takes no passcode, and vouches for nothing.

    Raises:
        NoBackup, BackupTooNew, BackupDamaged: it cannot be read.
    """
    start = file.read(_START.size)
    if len(start) < _START.size or start[: len(MAGIC)] != MAGIC:
        raise NoBackup
    version = _START.unpack(start)[1]
    if version > VERSION:
        raise BackupTooNew(f"format {version}")
    rest = file.read(_REST.size)
    if len(rest) < _REST.size:
        raise BackupDamaged("it is cut off")
    kdf, log2_n, r, p, chunk, salt, prefix, length = _REST.unpack(rest)
    if length > _MOST_INFO:
        raise BackupDamaged("its header is changed")
    text = file.read(length)
    digest, check = file.read(_DIGEST), file.read(_DIGEST)
    if len(check) < _DIGEST:
        raise BackupDamaged("it is cut off")
    if not hmac.compare_digest(hashlib.sha256(start + rest + text).digest(), digest):
        raise BackupDamaged("its header is changed")
    bounds = (log2_n <= _MOST_LOG2_N, r <= _MOST_R, p <= _MOST_P, 0 < chunk <= _MOST_CHUNK)
    if kdf != _SCRYPT or not all(bounds) or not min(log2_n, r, p):
        raise BackupDamaged("its header asks for more than we ever write")
    return Header(version, json.loads(text), log2_n, r, p, chunk, salt, prefix, digest, check)


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    if number >= _MOST_CHUNKS:
        raise OverflowError("A backup has at most 2**32 chunks.")
    return prefix + number.to_bytes(4, "big") + bytes([last])
