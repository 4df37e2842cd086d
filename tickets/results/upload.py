"""
The reports in an uploaded file: the file itself, or the XML files in a zip.

Nothing is ever extracted; entries are read as streams.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Protocol

from tickets.results.exceptions import ArchiveRefused

#: Pieces in which reports are read, in bytes.
CHUNK = 64 * 1024
#: Size of a zip's directory, in bytes; the library reads it in one piece.
LARGEST_DIRECTORY = 8 * 1024 * 1024
#: Entries of a zip.
MOST_ENTRIES = 20_000
#: Unpacked bytes per packed byte of one entry; real reports stay below 60.
HIGHEST_RATIO = 200
#: The ratio is asked only of entries that unpack to more than this, in bytes.
RATIO_ASKED_FROM = 16 * 1024 * 1024

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError)


class Report(Protocol):
    """One report, readable any number of times, one pass after the other."""

    @property
    def source(self) -> str:
        """Its path in the zip; empty when it is the uploaded file itself."""

    def chunks(self) -> Iterator[bytes]:
        """Yield its bytes from the beginning."""


@dataclass(frozen=True, slots=True)
class _PlainReport:
    file: IO[bytes]
    source: str = ""

    def chunks(self) -> Iterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(CHUNK):
            yield chunk


@dataclass(frozen=True, slots=True)
class _ZippedReport:
    archive: zipfile.ZipFile
    entry: zipfile.ZipInfo

    @property
    def source(self) -> str:
        return self.entry.filename

    def chunks(self) -> Iterator[bytes]:
        return read_entry(self.archive, self.entry)


class _DirectoryGuard:
    """A file of which nobody reads too much at once: the directory is the zip library's one big read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, length: int = -1) -> bytes:
        if length > LARGEST_DIRECTORY:
            raise ArchiveRefused("the zip's directory is too large")
        return self._file.read(length)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def reports(file: IO[bytes], *, unpacked_limit: int) -> list[Report]:
    """
    Return the reports in an uploaded file; those of a zip in the order of their names.

    A zip may hold other files beside the `.xml` ones; they, other zips among them,
    are left alone.

    Args:
        file: Seekable, at any position.
        unpacked_limit: What all reports of a zip may unpack to, in bytes.

    Raises:
        ArchiveRefused: The zip is broken, holds no report, is encrypted, names paths
            outside itself, or is a bomb. Damage inside an entry is raised by its
            `chunks()`.
    """
    archive = opened(file)
    if archive is None:
        return [_PlainReport(file)]
    chosen = [entry for entry in archive.infolist() if _is_report(entry)]
    if not chosen:
        raise ArchiveRefused("the zip holds no .xml file")
    _refuse_too_much(chosen, unpacked_limit)
    return [_ZippedReport(archive, entry) for entry in sorted(chosen, key=_name)]


def opened(file: IO[bytes]) -> zipfile.ZipFile | None:
    """
    Open an uploaded file as a zip; None when it is none.

    Raises:
        ArchiveRefused: its directory is damaged or too large.
    """
    file.seek(0)
    if file.read(4) not in _ZIP_STARTS:
        return None
    try:
        archive = zipfile.ZipFile(_DirectoryGuard(file))
    except (*_DAMAGES, NotImplementedError) as error:
        raise ArchiveRefused(f"the zip is damaged: {error}") from None
    if len(archive.infolist()) > MOST_ENTRIES:
        raise ArchiveRefused(f"the zip has more than {MOST_ENTRIES:,} entries")
    return archive


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """
    Yield the bytes of an entry.

    Raises:
        ArchiveRefused: it is damaged.
    """
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (*_DAMAGES, NotImplementedError, RuntimeError) as error:
        raise ArchiveRefused(f"the zip is damaged: {error}", entry.filename) from None


def refuse_unreadable(entry: zipfile.ZipInfo) -> None:
    """
    Refuse an entry that must not be unpacked.

    Raises:
        ArchiveRefused: it is encrypted, packed by another method than deflate, or a bomb.
    """
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveRefused("the zip is encrypted", entry.filename)
    if entry.compress_type not in _METHODS:
        # The library unpacks bzip2 and LZMA without any limit per read.
        raise ArchiveRefused("the zip is packed by another method than deflate", entry.filename)
    if entry.file_size > max(RATIO_ASKED_FROM, HIGHEST_RATIO * entry.compress_size):
        raise ArchiveRefused(
            f"it unpacks to more than {HIGHEST_RATIO} times its size", entry.filename
        )


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename


def _is_report(entry: zipfile.ZipInfo) -> bool:
    """Return whether the entry is a report; refuse the whole zip when it is up to no good."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
        raise ArchiveRefused("the zip names a path outside itself", entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveRefused("the zip is encrypted", entry.filename)
    if entry.filename.endswith("/") or path.suffix.lower() != ".xml":
        return False
    if path.parts[0] == "__MACOSX":
        return False
    refuse_unreadable(entry)
    return True


def _refuse_too_much(entries: list[zipfile.ZipInfo], unpacked_limit: int) -> None:
    # These are claims, but binding ones: the stream of an entry ends at the size
    # claimed here, and the checksum then fails if there was more.
    if sum(entry.file_size for entry in entries) > unpacked_limit:
        raise ArchiveRefused(f"the zip unpacks to more than {unpacked_limit:,} bytes")
