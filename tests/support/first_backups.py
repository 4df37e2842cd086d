"""Backups of the format's first version, made of one of today's as its page says."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import IO
from unittest import mock

import zstandard

from backgroundtasks.maintenance import archive, sealing

_PART = 4 * 1024 * 1024


def turned_back(path: Path, passcode: str, *, sha256: str | None = None) -> None:
    """
    Rewrite a backup as the first version had it.

    Args:
        path: Of the backup.
        passcode: To it, before and afterwards.
        sha256: What its manifest says of the database; None: the truth.
    """
    with path.open("rb") as file:
        unsealer = sealing.Unsealer(file, passcode)
        info = unsealer.header.info
        members = [
            (name, b"".join(bytes(block) for block in content))
            for name, content in archive.read(unsealer)
        ]
    said = json.loads(dict(members)["manifest.json"])
    said["database"]["sha256"] = sha256 or hashlib.sha256(dict(members)["database"]).hexdigest()
    digest = hashlib.sha256()
    for name, content in members:
        if name.startswith("files/"):
            digest.update(hashlib.sha256(content).digest() + name.encode() + b"\0")
    said["files"]["sha256"] = digest.hexdigest()
    members[-1] = ("manifest.json", json.dumps(said).encode())
    with path.open("wb") as file, mock.patch.object(sealing, "VERSION", 1):
        sealer = sealing.Sealer(file, info, passcode)
        sealer.write(_packed(members))
        sealer.finish()


def _packed(members: list[tuple[str, bytes]]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            for start in range(0, len(content) or 1, _PART):
                _add(tar, name, content[start : start + _PART])
    return zstandard.ZstdCompressor(level=3, write_content_size=False).compress(plain.getvalue())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    file: IO[bytes] = io.BytesIO(content)
    tar.addfile(member, file)
