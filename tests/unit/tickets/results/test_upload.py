import io
import random
import zipfile

import pytest

from tests.support.reports import zipped
from tickets.results import upload
from tickets.results.exceptions import ArchiveRefused, ResultsUnreadable

SUITE = b'<testsuite name="a"/>'
GENEROUS = 1024 * 1024 * 1024


def contents(uploaded: bytes, *, limit: int = GENEROUS) -> dict[str, bytes]:
    found = upload.reports(io.BytesIO(uploaded), unpacked_limit=limit)
    return {report.source: b"".join(report.chunks()) for report in found}


class TestReports:
    def test_is_the_file_itself_when_it_is_no_zip(self) -> None:
        assert contents(SUITE) == {"": SUITE}

    def test_can_be_read_twice(self) -> None:
        for uploaded in (SUITE, zipped({"a.xml": SUITE})):
            [report] = upload.reports(io.BytesIO(uploaded), unpacked_limit=GENEROUS)

            assert b"".join(report.chunks()) == b"".join(report.chunks()) == SUITE

    def test_are_the_xml_files_of_a_zip_in_order(self) -> None:
        uploaded = zipped(
            {
                "b/TEST-b.xml": b"<b/>",
                "a.XML": b"<a/>",
                "b/": b"",
                "log.txt": b"text",
                "trace.zip": zipped({"x.xml": b"<x/>"}),
                "__MACOSX/._a.xml": b"\0",
            }
        )

        assert list(contents(uploaded).items()) == [("a.XML", b"<a/>"), ("b/TEST-b.xml", b"<b/>")]

    def test_may_be_stored_unpacked(self) -> None:
        assert contents(zipped({"a.xml": SUITE}, method=zipfile.ZIP_STORED)) == {"a.xml": SUITE}


class TestRefusal:
    @pytest.mark.parametrize(
        "entries, reason",
        [
            ({}, "the zip holds no .xml file"),
            ({"a.txt": b"x"}, "the zip holds no .xml file"),
            ({"a.zip": zipped({"b.xml": SUITE})}, "the zip holds no .xml file"),
        ],
    )
    def test_of_a_zip_without_reports(self, entries: dict[str, bytes], reason: str) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped(entries))

        assert str(refusal.value) == f"Unable to parse results: {reason}."

    @pytest.mark.parametrize(
        "name", ["../a.xml", "/etc/a.xml", "a/../../b.xml", "..\\a.xml", "C:\\a.xml", "../log.txt"]
    )
    def test_of_paths_outside_the_zip(self, name: str) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({"a.xml": SUITE, name: SUITE}))

        assert refusal.value.reason == "the zip names a path outside itself"
        assert refusal.value.source == name

    def test_of_an_encrypted_zip(self) -> None:
        uploaded = bytearray(zipped({"a.xml": SUITE}))
        directory = uploaded.index(b"PK\x01\x02")
        uploaded[directory + 8] |= 1

        with pytest.raises(ArchiveRefused) as refusal:
            contents(bytes(uploaded))

        assert str(refusal.value) == "Unable to parse results (a.xml): the zip is encrypted."

    def test_of_a_bomb_by_its_ratio(self) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({"a.xml": b" " * 30_000_000}))

        assert refusal.value.reason == "it unpacks to more than 200 times its size"

    def test_of_a_bomb_by_its_size(self) -> None:
        uploaded = zipped({"a.xml": random.Random(1).randbytes(600), "b.xml": b"x" * 600})

        with pytest.raises(ArchiveRefused) as refusal:
            contents(uploaded, limit=1_000)

        assert refusal.value.reason == "the zip unpacks to more than 1,000 bytes"

    def test_of_a_bomb_that_lies_about_its_size(self) -> None:
        uploaded = bytearray(zipped({"a.xml": b"x" * 100_000}))
        directory = uploaded.index(b"PK\x01\x02")
        uploaded[directory + 24 : directory + 28] = (10).to_bytes(4, "little")

        with pytest.raises(ArchiveRefused) as refusal:
            contents(bytes(uploaded))

        assert refusal.value.reason.startswith("the zip is damaged: Bad CRC-32")

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_of_methods_that_unpack_without_limit(self, method: int) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({"a.xml": SUITE}, method=method))

        assert refusal.value.reason == "the zip is packed by another method than deflate"

    def test_of_too_many_entries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upload, "MOST_ENTRIES", 3)

        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({f"{n}.xml": SUITE for n in range(4)}))

        assert refusal.value.reason == "the zip has more than 3 entries"

    def test_of_a_directory_that_would_fill_the_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upload, "LARGEST_DIRECTORY", 70_000)

        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({f"{n}{'x' * 100}.xml": SUITE for n in range(1_000)}))

        assert refusal.value.reason == "the zip's directory is too large"

    @pytest.mark.parametrize("kept", [5, 30, 60, 100])
    def test_of_a_zip_that_ends_early(self, kept: int) -> None:
        with pytest.raises(ArchiveRefused) as refusal:
            contents(zipped({"a.xml": SUITE * 20})[:kept])

        assert refusal.value.reason.startswith("the zip is damaged: ")

    def test_is_the_only_answer_to_damage(self) -> None:
        whole = zipped({"a.xml": bytes(range(256)) * 20, "b/c.xml": SUITE * 50})
        chance = random.Random(7)

        for _ in range(3_000):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 6)):
                damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
            try:
                contents(bytes(damaged))
            except ResultsUnreadable:
                continue
