"""
The files beside the reports in an uploaded zip.

A report names them by the paths that they had where the tests ran; what is not in the zip is not
there. Nothing is ever extracted.
"""

import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from tickets.results import upload

_SEPARATORS = str.maketrans("\\", "/")


class Companion:
    """One file of the zip; it is read once, from its beginning."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._entry = entry

    @property
    def name(self) -> str:
        """Its path in the zip."""
        return self._entry.filename

    @property
    def size(self) -> int:
        """What it unpacks to, in bytes, as the zip says; reading more than that fails."""
        return self._entry.file_size

    def chunks(self) -> Iterator[bytes]:
        """
        Yield its bytes.

        Raises:
            ArchiveRefused: it is damaged.
        """
        return upload.read_entry(self._archive, self._entry)


class Companions:
    """What reports may name; nothing, for an upload that is no zip."""

    def __init__(self, file: IO[bytes]) -> None:
        """
        Look at the directory of a zip.

        Args:
            file: Seekable; `upload.reports` has accepted it.
        """
        self._archive = upload.opened(file)
        entries = self._archive.infolist() if self._archive else []
        self._entries = {
            entry.filename.translate(_SEPARATORS): entry for entry in entries if not entry.is_dir()
        }

    @property
    def is_zip(self) -> bool:
        """Whether there can be any."""
        return self._archive is not None

    def find(self, path: str, report: str) -> Companion | None:
        """
        Return the file that a report means; None when the zip has no such file.

        One that is named relative to the report, or to the zip, is there or not. Of one that is named
        by a whole path, the longest end that is in the zip counts: nobody knows where the tests ran.

        Args:
            path: As the report names it, with the separators of any system.
            report: The report's own path in the zip.

        Raises:
            ArchiveRefused: it is there and must not be unpacked: encrypted, packed otherwise, a bomb.
        """
        wanted = PurePosixPath(path.strip().translate(_SEPARATORS))
        folder = PurePosixPath(report.translate(_SEPARATORS)).parent
        for name in _names(wanted, folder):
            entry = self._entries.get(name)
            if entry is not None and self._archive is not None:
                upload.refuse_unreadable(entry)
                return Companion(self._archive, entry)
        return None


def _names(path: PurePosixPath, folder: PurePosixPath) -> Iterator[str]:
    """Yield what an entry could be called, the likeliest first."""
    parts = list(path.parts)
    is_whole = path.is_absolute() or (bool(parts) and ":" in parts[0])
    if not is_whole:
        for base in (folder.parts, ()):
            if (resolved := _resolved([*base, *parts])) is not None:
                yield "/".join(resolved)
        return
    resolved = _resolved(parts[1:]) or []
    for start in range(len(resolved)):
        yield "/".join(resolved[start:])


def _resolved(parts: list[str]) -> list[str] | None:
    """Return parts without `.` and `..`; None when they lead out of the zip."""
    found: list[str] = []
    for part in parts:
        if part == "..":
            if not found:
                return None
            found.pop()
        elif part != ".":
            found.append(part)
    return found
