"""The outside of a backup: nothing of it can be changed, moved or left out unnoticed."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest

from backgroundtasks.maintenance import sealing
from backgroundtasks.maintenance.errors import (
    BackupDamaged,
    BackupTooNew,
    BackupUnusable,
    NoBackup,
    PasscodeWrong,
)
from backgroundtasks.maintenance.sealing import Sealer, Unsealer, read_header

PASSCODE = "correct horse"
CHUNK = 64
TAG = 16
INFO = {"name": "nightly", "database": "sqlite"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, and a key that costs no time: the file says how both are."""
    monkeypatch.setattr(sealing, "CHUNK", CHUNK)
    monkeypatch.setattr(sealing, "_LOG2_N", 1)


def sealed(content: bytes, passcode: str = PASSCODE) -> bytes:
    file = io.BytesIO()
    sealer = Sealer(file, INFO, passcode)
    sealer.write(content)
    sealer.finish()
    return file.getvalue()


def opened(file: bytes, passcode: str = PASSCODE) -> bytes:
    unsealer = Unsealer(io.BytesIO(file), passcode)
    content = unsealer.readall() or b""
    unsealer.drain()
    return content


def start_of_chunks(file: bytes) -> int:
    stream = io.BytesIO(file)
    read_header(stream)
    return stream.tell()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 1000])
def test_what_was_sealed_comes_back(size: int) -> None:
    content = random.Random(size).randbytes(size)

    assert opened(sealed(content)) == content


def test_it_comes_back_whatever_the_portions_it_was_written_in() -> None:
    file = io.BytesIO()
    sealer = Sealer(file, INFO, PASSCODE)
    for size in (1, 200, 0, 63, 64, 65):
        sealer.write(b"x" * size)
    sealer.finish()

    assert opened(file.getvalue()) == b"x" * 393


def test_the_name_is_readable_without_the_passcode_and_nothing_else_is() -> None:
    file = sealed(b"the secret content " * 20)

    assert read_header(io.BytesIO(file)).info == INFO
    assert b"secret" not in file
    assert PASSCODE.encode() not in file


def test_two_backups_of_the_same_have_nothing_in_common() -> None:
    first, second = sealed(b"x" * 500), sealed(b"x" * 500)
    start = start_of_chunks(first)

    assert first[start:] != second[start:]
    assert not {first[at : at + 16] for at in range(start, len(first) - 16, 16)} & {
        second[at : at + 16] for at in range(start, len(second) - 16, 16)
    }


@pytest.mark.parametrize("passcode", ["correct horsf", "Correct horse", "correct horse ", ""])
def test_another_passcode_is_told_from_damage(passcode: str) -> None:
    with pytest.raises(PasscodeWrong):
        opened(sealed(b"x"), passcode)


def test_keys_are_made_once_for_what_was_just_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = sealing.Scrypt

    def scrypt(**parameters: Any) -> Any:
        made.append(parameters["salt"])
        return real(**parameters)

    monkeypatch.setattr(sealing, "Scrypt", scrypt)
    passcode = sealing.Passcode(PASSCODE)
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        Sealer(file, INFO, passcode).finish()
        file.seek(0)
        assert Unsealer(file, passcode).readall() == b""
        file.seek(0)

    assert len(made) == 2
    assert Unsealer(files[0], passcode).readall() == b""


def test_one_changed_bit_anywhere_is_noticed() -> None:
    file = sealed(random.Random(1).randbytes(3 * CHUNK + 10))

    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << at % 8
        with pytest.raises(BackupUnusable):
            opened(bytes(changed))


def test_a_cut_anywhere_is_noticed() -> None:
    file = sealed(random.Random(1).randbytes(3 * CHUNK))

    for length in range(len(file)):
        with pytest.raises(BackupUnusable):
            opened(file[:length])


def test_something_behind_the_end_is_noticed() -> None:
    for extra in (b"\0", b"x" * (CHUNK + TAG), sealed(b"y")):
        with pytest.raises(BackupDamaged):
            opened(sealed(b"x" * 100) + extra)


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3], [0, 0, 1, 2, 3], [3], [0, 1, 2]], ids=str
)
def test_chunks_in_another_order_are_noticed(order: list[int]) -> None:
    file = sealed(random.Random(1).randbytes(4 * CHUNK))
    start, size = start_of_chunks(file), CHUNK + TAG
    chunks = [file[start + number * size :][:size] for number in range(4)]

    with pytest.raises(BackupDamaged):
        opened(file[:start] + b"".join(chunks[number] for number in order))


def test_a_chunk_of_another_backup_is_noticed() -> None:
    mine, other = sealed(b"x" * 200), sealed(b"y" * 200)
    start, size = start_of_chunks(mine), CHUNK + TAG

    with pytest.raises(BackupDamaged):
        opened(mine[:start] + other[start : start + size] + mine[start + size :])


def test_a_newer_format_is_told_from_damage() -> None:
    file = bytearray(sealed(b"x"))
    file[9] += 1

    with pytest.raises(BackupTooNew):
        opened(bytes(file))


@pytest.mark.parametrize("file", [b"", b"TCBACK", b"PK\x03\x04 a zip of whatever it may be"])
def test_another_file_is_no_backup(file: bytes) -> None:
    with pytest.raises(NoBackup):
        opened(file)


@pytest.mark.parametrize("at, value", [(11, 40), (12, 255), (13, 255), (14, 255), (41, 255)])
def test_a_header_cannot_make_us_spend_all_memory(at: int, value: int) -> None:
    # Whoever wrote it also put the right digest there.
    file = bytearray(sealed(b"x"))
    file[at] = value
    start = start_of_chunks(sealed(b"x")) - 64
    file[start : start + 32] = sealing.hashlib.sha256(file[:start]).digest()

    with pytest.raises(BackupDamaged):
        opened(bytes(file))
