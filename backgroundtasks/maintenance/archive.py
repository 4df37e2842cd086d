"""
The inside of a backup: a tar stream, compressed, in which a member may come in parts.

Members of one name that follow each other are one: so anything can be added whose size nobody
knows beforehand, in memory that does not grow.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, Protocol, cast

import zstandard

from backgroundtasks.maintenance.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backgroundtasks.maintenance.sealing import Sealer, Unsealer

#: Bytes of a member's part.
PART: Final = 4 * 1024 * 1024
#: Bytes that are handed on at once.
_BLOCK: Final = 1024 * 1024
_LEVEL: Final = 3
_THREADS: Final = 2
#: Bytes that a thread takes at once: the default, 8 MiB, costs 20 MiB more and is no faster.
_JOB: Final = 4 * 1024 * 1024
#: zstd's window at our level is 2 MiB; nothing of ours asks for more than this.
_WINDOW: Final = 8 * 1024 * 1024


class Source(Protocol):
    """Whatever is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Added:
    """A member that was written, or read."""

    size: int
    sha256: str


class Writer:
    """Writes members through the compressor to a sealer."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, threads=_THREADS, job_size=_JOB
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self._frame = compressor.stream_writer(cast("IO[bytes]", sealer), closefd=False)
        #: Bytes of tar that were written.
        self._length = 0

    def add(self, name: str, source: Source, told: Callable[[int], None] | None = None) -> Added:
        """
        Add all of `source` as a member.

        Args:
            name: Of the member; not that of the one before it.
            source: Read to its end.
            told: Called with the number of bytes whenever some were added.
        """
        size, digest = 0, hashlib.sha256()
        while True:
            part = _filled(source, PART)
            if part or not size:
                self._write_part(name, part)
            size += len(part)
            digest.update(part)
            if told is not None:
                told(len(part))
            if len(part) < PART:
                return Added(size, digest.hexdigest())

    def add_bytes(self, name: str, content: bytes) -> Added:
        """Add a small member."""
        return self.add(name, io.BytesIO(content))

    def finish(self) -> None:
        """Write the ends of all layers."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._fill(tarfile.RECORDSIZE)
        self._frame.flush(zstandard.FLUSH_FRAME)
        self._sealer.finish()

    def _write_part(self, name: str, part: bytes) -> None:
        """
        Write a member of tar.

        `TarFile` itself would copy all of it three times, in pieces of 16 KiB.
        """
        member = tarfile.TarInfo(name)
        member.size = len(part)
        member.mode = 0o600
        self._write(member.tobuf(tarfile.PAX_FORMAT))
        self._write(part)
        self._fill(tarfile.BLOCKSIZE)

    def _fill(self, size: int) -> None:
        """Write zeros up to a multiple of `size`."""
        self._write(bytes(-self._length % size))

    def _write(self, data: bytes) -> None:
        self._frame.write(data)
        self._length += len(data)


def read(unsealer: Unsealer) -> Iterator[tuple[str, Iterator[bytes]]]:
    """
    Yield name and content of each member, in order; each content must be read to its end.

    Raises:
        BackupDamaged: something is missing or changed.
    """
    expander = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = expander.stream_reader(cast("IO[bytes]", unsealer), read_size=_BLOCK, closefd=False)
    try:
        with tarfile.open(mode="r|", fileobj=frame, bufsize=_BLOCK) as tar:
            parts = _Parts(tar)
            while parts.name is not None:
                yield parts.name, parts.of_one(parts.name)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise BackupDamaged(f"its content cannot be read ({type(error).__name__})") from None
    unsealer.drain()


class _Parts:
    """The parts of a tar stream, seen as members again."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._part: tarfile.TarInfo | None = None
        self.name: str | None = None
        self._advance()

    def of_one(self, name: str) -> Iterator[bytes]:
        while self.name == name and self._part is not None:
            content = self._tar.extractfile(self._part)
            if content is None:
                raise BackupDamaged(f"{name!r} is no file")
            while block := content.read(_BLOCK):
                yield block
            self._advance()

    def _advance(self) -> None:
        self._part = self._tar.next()
        _forget(self._tar)
        self.name = None if self._part is None else self._part.name


def _forget(tar: tarfile.TarFile) -> None:
    """Let go of the members so far: the library would remember them all."""
    tar.members.clear()  # type: ignore[attr-defined] # documented, but not in the stubs


def _filled(source: Source, size: int) -> bytes:
    """Read until `size` bytes are there, or the end is reached: pipes give what they have."""
    first = source.read(size)
    if len(first) == size or not first:
        return first
    filled = bytearray(first)
    while len(filled) < size and (more := source.read(size - len(filled))):
        filled += more
    return bytes(filled)
