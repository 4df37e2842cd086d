"""The inside of a backup: members of any size, in memory that does not grow."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import threading
from typing import Any

import pytest
import zstandard

from backgroundtasks.maintenance import archive, sealing
from backgroundtasks.maintenance.errors import BackupDamaged
from backgroundtasks.maintenance.sealing import Sealer, Unsealer


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_LOG2_N", 1)
    monkeypatch.setattr(archive, "FRAME", 4096)


def written(*members: tuple[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with archive.Writer(Sealer(file, {}, "a passcode")) as writer:
        for name, content in members:
            writer.add_bytes(name, content)
        writer.finish()
    file.seek(0)
    return file


def read(file: io.BytesIO) -> list[tuple[str, bytes]]:
    unsealer = Unsealer(file, "a passcode")
    return [(name, b"".join(content)) for name, content in archive.read(unsealer)]


def test_members_come_back_in_order_whatever_their_size() -> None:
    members = [
        (f"files/uploads/{size}/é ü", random.Random(size).randbytes(size))
        for size in (0, 1, 999, 1000, 1001, 2000, 12345)
    ]

    assert read(written(*members)) == members


def test_names_may_be_long_and_come_again_later() -> None:
    members = [("x/" * 150 + "y", b"1"), ("database", b"2"), ("x/" * 150 + "y", b"3")]

    assert read(written(*members)) == members


def test_a_pipe_that_gives_little_at_once_is_read_to_its_end() -> None:
    class Dripping(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(memoryview(buffer)[:7])

    file = io.BytesIO()
    with archive.Writer(Sealer(file, {}, "a passcode")) as writer:
        size = writer.add("database", Dripping(b"abc" * 1000))
        writer.finish()
    file.seek(0)
    assert size == 3000
    assert read(file) == [("database", b"abc" * 1000)]


def test_tar_itself_puts_the_parts_together() -> None:
    # The way that the page gives for a day on which nothing of ours is left.
    content = Unsealer(written(("database", b"abc" * 1000)), "a passcode").readall()
    plain = (
        zstandard.ZstdDecompressor()
        .stream_reader(io.BytesIO(content or b""), read_across_frames=True)
        .read()
    )

    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        parts = [tar.extractfile(member) for member in tar.getmembers()]
        assert b"".join(part.read() for part in parts if part) == b"abc" * 1000


def frames(file: io.BytesIO) -> list[bytes]:
    """Return the frames as they lie in a backup, each with the skipped one before it."""
    content = Unsealer(file, "a passcode").readall() or b""
    found = []
    while content:
        length = 12 + int.from_bytes(content[8:12], "little")
        found.append(content[:length])
        content = content[length:]
    return found


def sealed(*content: bytes) -> io.BytesIO:
    file = io.BytesIO()
    sealer = Sealer(file, {}, "a passcode")
    for piece in content:
        sealer.write(piece)
    sealer.finish()
    file.seek(0)
    return file


def test_every_frame_is_an_archive_of_its_own() -> None:
    content = random.Random(1).randbytes(20_000)

    found = frames(written(("database", content)))

    assert len(found) > 4
    held = b""
    for frame in found:
        plain = zstandard.ZstdDecompressor().decompress(frame[12:])
        assert len(plain) <= archive.FRAME
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            held += b"".join(part.read() for part in map(tar.extractfile, tar) if part)
    assert held == content


def test_a_frame_whose_content_does_not_fit_its_checksum_is_refused() -> None:
    # As a compressor does that makes a mistake: every byte of it is vouched for.
    [frame] = frames(written(("database", b"x")))
    changed = frame[:-1] + bytes([frame[-1] ^ 1])

    with pytest.raises(BackupDamaged):
        read(sealed(changed))


@pytest.mark.parametrize(
    "length",
    [(0x184D2A51, 4, 0), (0x184D2A50, 5, 0), (0x184D2A50, 4, 1), (0x184D2A50, 4, 2**31)],
    ids=str,
)
def test_a_length_that_no_frame_has_is_refused(length: tuple[int, int, int]) -> None:
    [frame] = frames(written(("database", b"x")))
    magic, four, more = length

    with pytest.raises(BackupDamaged):
        read(sealed(struct.pack("<III", magic, four, len(frame) - 12 + more) + frame[12:]))


def test_a_frame_that_would_take_all_memory_is_refused() -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(64 * 1024 * 1024))

    with pytest.raises(BackupDamaged):
        read(sealed(struct.pack("<III", 0x184D2A50, 4, len(frame)) + frame))


def test_threads_end_where_reading_stops_early() -> None:
    file = written(("database", random.Random(1).randbytes(100_000)), ("other", b""))
    before = threading.active_count()

    members = archive.read(Unsealer(file, "a passcode"))
    name, content = next(members)
    next(content)
    del content
    members.close()  # type: ignore[attr-defined] # it is a generator

    assert name == "database"
    assert threading.active_count() == before


def test_content_that_is_no_archive_is_refused() -> None:
    file = io.BytesIO()
    sealer = Sealer(file, {}, "a passcode")
    sealer.write(b"not compressed at all")
    sealer.finish()
    file.seek(0)

    with pytest.raises(BackupDamaged):
        read(file)
