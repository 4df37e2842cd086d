"""
The first file of a multipart upload, as it comes in: never in memory, never on disk twice.

Clients name the part as they like, and send `multipart/form-data` or `multipart/mixed`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from backgroundtasks.api import kit

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Pieces in which a body is read, in bytes.
CHUNK: Final = 64 * 1024
#: What a body may hold beside its file, in bytes.
OVERHEAD: Final = 1024 * 1024


class _Place(Enum):
    BEFORE = auto()
    INSIDE = auto()
    AFTER = auto()


class UploadedFile:
    """
    A file in a request's body, read as it arrives.

        upload = UploadedFile(request, limit=…)
        if upload.begin():
            while piece := upload.read(CHUNK): …
            upload.finish()

    `size` and `digest` (SHA-256, hex) are of the file, and whole after `finish()`.
    """

    def __init__(self, request: HttpRequest, *, limit: int) -> None:
        """
        Look at the headers.

        Args:
            request: Nobody has read from it yet.
            limit: Bytes that the file may have.

        Raises:
            MediaTypeRefused: the body is not multipart.
            BadRequest: it has no boundary, or no length.
            TooLarge: it says that it is larger than the limit; nothing of it was read.
        """
        self._request = request
        self._limit = limit
        kind, options = parse_options_header(request.META.get("CONTENT_TYPE", ""))
        if not kind.startswith(b"multipart/"):
            raise kit.MediaTypeRefused("Results are uploaded as multipart/form-data.")
        self._is_form = kind == b"multipart/form-data"
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdigit():
            raise kit.BadRequest("The upload must say its Content-Length.")
        if int(length) > limit + OVERHEAD:
            raise self._too_large()
        self._parser = self._new_parser(options.get(b"boundary", b""))
        self._received = 0
        self._place = _Place.BEFORE
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._pieces: deque[bytes] = deque()
        self._sha = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """SHA-256 of what was read of the file so far, in hex."""
        return self._sha.hexdigest()

    def begin(self) -> bool:
        """
        Read up to the first file; return whether there is one.

        Raises:
            BadRequest: it broke off before, or is no multipart body.
        """
        while self._place is _Place.BEFORE:
            if not self._pump():
                self._require_end()
                return False
        return True

    def read(self, size: int = -1) -> bytes:
        """
        Return at most `size` bytes of the file, all of it when negative; `b""` at its end.

        Raises:
            TooLarge: the file or the body exceeds the limit.
            BadRequest: it broke off, or is no multipart body.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while not self._pieces and self._place is _Place.INSIDE:
            if not self._pump():
                raise self._broke_off()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        return piece

    def finish(self) -> None:
        """
        Read the body to its end; further files in it are left alone.

        Raises:
            BadRequest: the end never came.
        """
        while self._pump():
            pass
        self._require_end()

    def _require_end(self) -> None:
        if self._parser.state != MultipartState.END:
            raise self._broke_off()

    def _pump(self) -> bool:
        """Read a piece of the body; return whether there was one."""
        try:
            data = self._request.read(CHUNK)
        except OSError:
            raise self._broke_off() from None
        self._received += len(data)
        if self._received > self._limit + OVERHEAD:
            raise self._too_large()
        if data:
            try:
                self._parser.write(data)
            except FormParserError as error:
                raise kit.BadRequest(f"The body is not multipart as it says: {error}") from None
        if self.size > self._limit:
            raise self._too_large()
        return bool(data)

    def _new_parser(self, boundary: bytes) -> MultipartParser:
        if not boundary:
            raise kit.BadRequest("The Content-Type of the upload names no boundary.")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                },
            )
        except FormParserError as error:
            raise kit.BadRequest(f"The boundary of the upload cannot be used: {error}") from None

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def _on_headers_finished(self) -> None:
        if self._place is _Place.BEFORE and self._is_file():
            self._place = _Place.INSIDE

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._place is _Place.INSIDE:
            piece = bytes(data[start:end])
            self.size += len(piece)
            self._sha.update(piece)
            self._pieces.append(piece)

    def _on_part_end(self) -> None:
        if self._place is _Place.INSIDE:
            self._place = _Place.AFTER

    def _is_file(self) -> bool:
        """Return whether the part whose headers were just read is a file."""
        coding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if coding not in {b"binary", b"8bit", b"7bit", b""}:
            raise kit.Refused(
                "The file must be sent as it is, without a Content-Transfer-Encoding."
            )
        disposition = self._headers.get(b"content-disposition", b"").decode("latin-1")
        name = parse_options_header(disposition)[1].get(b"filename")
        if name is not None:
            return name != b""  # a browser's form in which no file was chosen
        if "filename*" in disposition.lower():
            return True
        kind = self._headers.get(b"content-type", b"text/plain").partition(b";")[0].strip().lower()
        return not self._is_form or kind != b"text/plain"

    def _too_large(self) -> kit.TooLarge:
        return kit.TooLarge(f"Results may have at most {self._limit:,} bytes.")

    def _broke_off(self) -> kit.BadRequest:
        return kit.BadRequest("The upload broke off.")
