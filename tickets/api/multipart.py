"""
The files of a multipart upload, as they come in: never in memory, never on disk twice.

Clients name the parts as they like, and send `multipart/form-data` or `multipart/mixed`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from django.utils.http import parse_header_parameters
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from backgroundtasks.api import kit

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Pieces in which a body is read, in bytes.
CHUNK: Final = 64 * 1024
#: What a body may hold beside its file, in bytes.
OVERHEAD: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Heading:
    """What a part says of its file; as it was sent, so nothing to rely on."""

    #: Empty when it has none.
    file_name: str
    #: In lower case and without parameters; empty when it has none.
    content_type: str


class UploadedFiles:
    """
    The files in a request's body, read one after the other as they arrive.

        upload = UploadedFiles(request, limit=…)
        while heading := upload.next():
            while piece := upload.read(CHUNK): …
        upload.finish()

    `size` and `digest` (SHA-256, hex) are of what was read of the file that is being read.
    """

    #: What is uploaded, for people.
    word: ClassVar[str] = "Attachments"
    #: Whether parts behind the first file are left alone, whatever they are.
    only_first: ClassVar[bool] = False

    def __init__(self, request: HttpRequest, *, limit: int, most: int = 1) -> None:
        """
        Look at the headers.

        Args:
            request: Nobody has read from it yet.
            limit: Bytes that a file may have.
            most: Bytes that all of them may have, in files of the largest size.

        Raises:
            MediaTypeRefused: the body is not multipart.
            BadRequest: it has no boundary, or no length.
            TooLarge: it says that it is larger than the limit; nothing of it was read.
        """
        self._request = request
        self._limit = limit
        self._all = limit * most + OVERHEAD
        kind, options = parse_options_header(request.META.get("CONTENT_TYPE", ""))
        if not kind.startswith(b"multipart/"):
            raise kit.MediaTypeRefused(f"{self.word} are uploaded as multipart/form-data.")
        self._is_form = kind == b"multipart/form-data"
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdigit():
            raise kit.BadRequest("The upload must say its Content-Length.")
        if int(length) > self._all:
            raise self._too_large()
        self._parser = self._new_parser(options.get(b"boundary", b""))
        self._received = 0
        self._inside = False
        self._found = False
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._headings: deque[Heading] = deque()
        #: Of the files that have come, each with an empty one at its end.
        self._pieces: deque[bytes] = deque()
        self._reading = False
        self._sha = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """SHA-256 of what was read of the file so far, in hex."""
        return self._sha.hexdigest()

    def next(self) -> Heading | None:
        """
        Read up to the next file; return what is said of it, None when there is no further one.

        Raises:
            TooLarge: the body, or the file that is left for it, exceeds the limit.
            BadRequest: the body broke off before, or is no multipart body.
        """
        self._leave()
        while not self._headings:
            if not self._pump():
                self._require_end()
                return None
        self._reading = True
        self._sha = hashlib.sha256()
        self.size = 0
        return self._headings.popleft()

    def read(self, size: int = -1) -> bytes:
        """
        Return at most `size` bytes of the file, all of it when negative; `b""` at its end.

        Raises:
            TooLarge: the file or the body exceeds the limit.
            BadRequest: it broke off, or is no multipart body.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not self._reading:
            return b""
        while not self._pieces:
            if not self._pump():
                raise self._broke_off()
        piece = self._pieces.popleft()
        if not piece:
            self._reading = False
            return b""
        if len(piece) > size:
            self._pieces.appendleft(piece[size:])
            piece = piece[:size]
        self.size += len(piece)
        if self.size > self._limit:
            raise self._too_large()
        self._sha.update(piece)
        return piece

    def finish(self) -> None:
        """
        Read the body to its end; further files in it are left alone.

        Raises:
            BadRequest: the end never came.
        """
        self._leave()
        while self._pump():
            self._pieces.clear()
            self._headings.clear()
        self._require_end()

    def _leave(self) -> None:
        """Read the file to its end."""
        while self.read(CHUNK):
            pass

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
        if self._received > self._all:
            raise self._too_large()
        if data:
            try:
                self._parser.write(data)
            except FormParserError as error:
                raise kit.BadRequest(f"The body is not multipart as it says: {error}") from None
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
        if not (self._found and self.only_first) and self._is_file():
            self._inside = self._found = True
            self._headings.append(self._heading())

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(bytes(data[start:end]))

    def _on_part_end(self) -> None:
        if self._inside:
            self._inside = False
            self._pieces.append(b"")

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

    def _heading(self) -> Heading:
        """Return what the headers that were just read say of the file."""
        name = _parameters(self._headers.get(b"content-disposition", b"")).get("filename", "")
        kind = self._headers.get(b"content-type", b"").partition(b";")[0]
        return Heading(name, kind.strip().lower().decode("latin-1"))

    def _too_large(self) -> kit.TooLarge:
        return kit.TooLarge(f"{self.word} may have at most {self._limit:,} bytes.")

    def _broke_off(self) -> kit.BadRequest:
        return kit.BadRequest("The upload broke off.")


class UploadedFile(UploadedFiles):
    """The first file of a body, whatever its part is called."""

    word = "Results"
    only_first = True

    def begin(self) -> bool:
        """Read up to the file; return whether there is one. Raises as `next`."""
        return self.next() is not None


def _parameters(header: bytes) -> dict[str, str]:
    """Return the parameters of a header, those in UTF-8 of RFC 5987 too; what is no text is cut out."""
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    try:
        parameters: dict[str, str] = parse_header_parameters(text)[1]
    except (ValueError, LookupError):
        return {}
    return parameters
