"""Reading a file while it is written: what is on the disk, and nothing else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backgroundtasks.maintenance.stores import following
from backgroundtasks.maintenance.stores.following import Following, Stored


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_ENOUGH", 1000)


def test_what_is_stored_can_be_read_before_the_end(tmp_path: Path) -> None:
    stored = Stored()
    reader = Following(tmp_path / "draft", stored)

    with (tmp_path / "draft").open("wb", buffering=0) as file, stored.keeping_up(file):
        file.write(b"x" * 1500)
        early = reader.read(4000)
        file.write(b"y" * 10)

    assert early == b"x" * 1500
    assert reader.readall() == b"y" * 10
    reader.close()


def test_what_is_not_stored_is_waited_for(tmp_path: Path) -> None:
    stored = Stored()
    read: list[bytes | None] = []
    reader = Following(tmp_path / "draft", stored)
    thread = threading.Thread(target=lambda: read.append(reader.readall()))
    thread.start()

    with (tmp_path / "draft").open("wb", buffering=0) as file, stored.keeping_up(file):
        file.write(b"x" * 10)
        thread.join(0.2)
        meanwhile = list(read)
    thread.join()

    assert meanwhile == []
    assert read == [b"x" * 10]
    reader.close()


def test_an_empty_file_ends_at_once(tmp_path: Path) -> None:
    stored = Stored()
    with (tmp_path / "draft").open("wb") as file, stored.keeping_up(file):
        pass

    assert Following(tmp_path / "draft", stored).readall() == b""


def test_who_waits_is_told_that_nothing_more_comes(tmp_path: Path) -> None:
    stored = Stored()
    told: list[BaseException] = []

    def wait() -> None:
        try:
            Following(tmp_path / "draft", stored).readall()
        except OSError as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    stored.give_up()
    thread.join(10)

    assert len(told) == 1


def test_a_disk_that_did_not_take_something_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel says so once; the sync at the end would find nothing.
    told = threading.Event()

    def failing(_handle: int) -> None:
        told.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(following.os, "fdatasync", failing)
    stored = Stored()

    def write() -> None:
        with (tmp_path / "draft").open("wb", buffering=0) as file, stored.keeping_up(file):
            file.write(b"x" * 2000)
            assert told.wait(10)

    with pytest.raises(OSError, match="Input/output error"):
        write()
