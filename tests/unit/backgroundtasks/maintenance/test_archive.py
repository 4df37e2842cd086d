"""The inside of a backup: members of any size, in memory that does not grow."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
import zstandard

from backgroundtasks.maintenance import archive, sealing
from backgroundtasks.maintenance.errors import BackupDamaged
from backgroundtasks.maintenance.sealing import Sealer, Unsealer


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_LOG2_N", 1)
    monkeypatch.setattr(archive, "PART", 1000)


def written(*members: tuple[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    writer = archive.Writer(Sealer(file, {}, "a passcode"))
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
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 7))

    file = io.BytesIO()
    writer = archive.Writer(Sealer(file, {}, "a passcode"))

    added = writer.add("database", Dripping(b"abc" * 1000))

    writer.finish()
    file.seek(0)
    assert added.size == 3000
    assert read(file) == [("database", b"abc" * 1000)]


def test_tar_itself_puts_the_parts_together() -> None:
    # The way that the page gives for a day on which nothing of ours is left.
    content = Unsealer(written(("database", b"abc" * 1000)), "a passcode").readall()
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content or b"")).read()

    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        parts = [tar.extractfile(member) for member in tar.getmembers()]
        assert b"".join(part.read() for part in parts if part) == b"abc" * 1000


def test_content_that_is_no_archive_is_refused() -> None:
    file = io.BytesIO()
    sealer = Sealer(file, {}, "a passcode")
    sealer.write(b"not compressed at all")
    sealer.finish()
    file.seek(0)

    with pytest.raises(BackupDamaged):
        read(file)
