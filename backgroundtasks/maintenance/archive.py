"""
The inside of a backup: a tar stream, compressed, in which a member may come in parts.

Members of one name that follow each other are one: so anything can be added whose size nobody
knows beforehand, in memory that does not grow. The stream is compressed frame by frame, and
each frame holds whole parts: so several are compressed, or read again, at the same time.
"""

from __future__ import annotations

import io
import itertools
import struct
import tarfile
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, TypeVar, cast

import zstandard

from backgroundtasks import conf
from backgroundtasks.maintenance.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backgroundtasks.maintenance.sealing import Sealer, Unsealer

T = TypeVar("T")

#: Name and content of a member, or of a part of one.
Part: TypeAlias = "tuple[str, bytes | memoryview]"

#: Bytes of tar in a frame. With 4 MiB it is 2 % smaller, and takes 7 % more of a processor.
FRAME: Final = 2 * 1024 * 1024
#: No frame of ours has more, compressed or not.
_MOST: Final = 16 * 1024 * 1024
_LEVEL: Final = 3
#: In front of each frame: a frame that decompressors skip, with the length of the next one.
_LENGTH: Final = struct.Struct("<III")
_SKIPPED: Final = 0x184D2A50
#: Bytes that are handed on at once from a backup of the first version.
_BLOCK: Final = 1024 * 1024
#: zstd's window at our level is 2 MiB; nothing of ours asks for more than this.
_WINDOW: Final = 8 * 1024 * 1024


class Source(Protocol):
    """Whatever is read from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill a buffer, or a part of it; return how many bytes: 0 at the end."""


class Writer:
    """
    Writes members through the compressor to a sealer. A context: it has threads.

    What is read goes straight to where it is compressed from; nothing copies it.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._threads = _Threads(lambda: zstandard.ZstdCompressor(_LEVEL, write_checksum=True))
        self._waiting: deque[tuple[bytearray, Future[bytes]]] = deque()
        #: Buffers that nothing reads any more.
        self._free: list[bytearray] = []
        self._frame = bytearray(FRAME)
        self._used = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.end()

    def add(self, name: str, source: Source, told: Callable[[int], None] | None = None) -> int:
        """
        Add all of `source` as a member; return its size in bytes.

        Args:
            name: Of the member; not that of the one before it.
            source: Read to its end.
            told: Called with the number of bytes whenever some were added.
        """
        size = 0
        while True:
            header = len(_header(name, 0))
            room = self._room(header)
            start = self._used + header
            with memoryview(self._frame) as view:
                count = _filled(source, view[start : start + room])
            if count or not size:
                self._put(_header(name, count))
                self._used += count
                self._put(bytes(-count % tarfile.BLOCKSIZE))
            size += count
            if told is not None:
                told(count)
            if count < room:
                return size

    def add_bytes(self, name: str, content: bytes) -> int:
        """Add a small member."""
        return self.add(name, io.BytesIO(content))

    def finish(self) -> None:
        """Write the ends of all layers."""
        if len(self._frame) - self._used < 2 * tarfile.BLOCKSIZE:
            self._hand_on()
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._hand_on()
        while self._waiting:
            self._take()
        self._sealer.finish()

    def _room(self, header: int) -> int:
        """Return how many bytes of content go behind a header into this frame, or a new one."""
        room = (len(self._frame) - self._used - header) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        if room < len(self._frame) // 64 and self._used:
            self._hand_on()
            return self._room(header)
        return room

    def _put(self, data: bytes) -> None:
        self._frame[self._used : self._used + len(data)] = data
        self._used += len(data)

    def _hand_on(self) -> None:
        """Let this frame be compressed, and begin a new one."""
        frame, used = self._frame, self._used
        self._waiting.append((frame, self._threads.run(_compressed, frame, used)))
        if len(self._waiting) > self._threads.ahead:
            self._take()
        self._frame = self._free.pop() if self._free else bytearray(FRAME)
        self._used = 0

    def _take(self) -> None:
        """Seal the frame that was handed on first."""
        frame, future = self._waiting.popleft()
        compressed = future.result()
        self._free.append(frame)
        self._sealer.write(_LENGTH.pack(_SKIPPED, 4, len(compressed)))
        self._sealer.write(compressed)


def read(unsealer: Unsealer) -> Iterator[tuple[str, Iterator[bytes | memoryview]]]:
    """
    Yield name and content of each member, in order; each content must be read to its end.

    Raises:
        BackupDamaged: something is missing or changed.
    """
    first = unsealer.header.version == 1
    parts = _parts_of_one_frame(unsealer) if first else _parts(unsealer)
    try:
        for name, group in itertools.groupby(parts, key=itemgetter(0)):
            yield name, (content for _, content in group)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise BackupDamaged(f"its content cannot be read ({type(error).__name__})") from None
    unsealer.drain()


def _parts(unsealer: Unsealer) -> Iterator[Part]:
    for frame in _frames(unsealer):
        view = memoryview(frame)
        with tarfile.open(mode="r:", fileobj=io.BytesIO(frame)) as tar:
            while (part := tar.next()) is not None:
                content = view[part.offset_data :][: part.size]
                if not part.isreg() or len(content) < part.size:
                    raise BackupDamaged(f"{part.name!r} is no whole file")
                yield part.name, content


def _frames(unsealer: Unsealer) -> Iterator[bytes]:
    """Yield the frames in order, decompressed by threads that are ahead."""
    file = io.BufferedReader(unsealer, _BLOCK)
    threads = _Threads(zstandard.ZstdDecompressor)
    waiting: deque[Future[bytes]] = deque()
    try:
        while length := file.read(_LENGTH.size):
            waiting.append(threads.run(_expanded, _one_frame(file, length)))
            if len(waiting) > threads.ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.end()
        file.detach()


def _one_frame(file: IO[bytes], length: bytes) -> bytes:
    """Read what stands behind a length; refuse what would take all memory."""
    if len(length) == _LENGTH.size:
        magic, four, size = _LENGTH.unpack(length)
        if (magic, four) == (_SKIPPED, 4) and size <= _MOST:
            frame = file.read(size)
            if len(frame) == size and 0 < zstandard.frame_content_size(frame) <= _MOST:
                return frame
    raise BackupDamaged("a frame of its content is not what it should be")


def _parts_of_one_frame(unsealer: Unsealer) -> Iterator[Part]:
    """Yield the parts of a backup of the first version, in pieces."""
    expander = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = expander.stream_reader(cast("IO[bytes]", unsealer), read_size=_BLOCK, closefd=False)
    with tarfile.open(mode="r|", fileobj=frame, bufsize=_BLOCK) as tar:
        while (part := tar.next()) is not None:
            # The library would remember them all.
            tar.members.clear()  # type: ignore[attr-defined] # documented, but not in the stubs
            content = tar.extractfile(part)
            if content is None:
                raise BackupDamaged(f"{part.name!r} is no file")
            yield part.name, b""
            while block := content.read(_BLOCK):
                yield part.name, block


class _Threads:
    """A few threads, each with a compressor or decompressor of its own: none can be shared."""

    def __init__(self, make: Callable[[], Any]) -> None:
        count = conf.BACKUP_THREADS
        #: Frames in work beside the one that is filled or used: theirs, and one that waits.
        self.ahead = count + 1
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(
            count, "zstd", initializer=lambda: setattr(self._own, "tool", make())
        )

    def run(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Let one of them call `work` with its tool and these arguments."""
        return self._pool.submit(lambda: work(self._own.tool, *arguments))

    def end(self) -> None:
        """Wait for what they do now, and let go of the rest."""
        self._pool.shutdown(cancel_futures=True)


def _compressed(tool: zstandard.ZstdCompressor, frame: bytearray, used: int) -> bytes:
    with memoryview(frame) as view:
        return tool.compress(view[:used])


def _expanded(tool: zstandard.ZstdDecompressor, frame: bytes) -> bytes:
    """Decompress a frame, which also compares its checksum."""
    return tool.decompress(frame)


def _header(name: str, size: int) -> bytes:
    """
    Return the header of a part; its length does not depend on `size`.

    `TarFile` itself would copy all of the content three times, in pieces of 16 KiB.
    """
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _filled(source: Source, view: memoryview) -> int:
    """Read until a buffer is full, or the end is reached: pipes give what they have."""
    filled = 0
    while filled < len(view) and (more := source.readinto(view[filled:])):
        filled += more
    return filled
