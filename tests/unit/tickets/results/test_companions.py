"""Which file of a zip a report means, and which of them are left alone."""

import io
import zipfile

import pytest

from tests.support.reports import zipped
from tickets.results import mentions
from tickets.results.companions import Companions
from tickets.results.exceptions import ArchiveRefused
from tickets.results.junit import JUnitReader

FILES = {
    "a.xml": b"<testsuite/>",
    "top.png": b"top",
    "shots/a.png": b"shots/a",
    "reports/TEST-a.xml": b"<testsuite/>",
    "reports/a.png": b"reports/a",
    "win\\b.png": b"win/b",
}


def found(path: str, report: str = "a.xml", files: dict[str, bytes] | None = None) -> bytes | None:
    companion = Companions(io.BytesIO(zipped(files or FILES))).find(path, report)
    return None if companion is None else b"".join(companion.chunks())


class TestFind:
    @pytest.mark.parametrize(
        "path, report, content",
        [
            ("top.png", "a.xml", b"top"),
            ("./shots/a.png", "a.xml", b"shots/a"),
            ("a.png", "reports/TEST-a.xml", b"reports/a"),
            ("../shots/a.png", "reports/TEST-a.xml", b"shots/a"),
            ("shots/a.png", "reports/TEST-a.xml", b"shots/a"),
            ("/builds/shop/shots/a.png", "a.xml", b"shots/a"),
            ("/builds/shop/reports/../shots/a.png", "a.xml", b"shots/a"),
            ("/elsewhere/top.png", "a.xml", b"top"),
            ("C:\\builds\\shots\\a.png", "a.xml", b"shots/a"),
            ("D:\\win\\b.png", "a.xml", b"win/b"),
            (" top.png ", "a.xml", b"top"),
        ],
    )
    def test_takes_relative_paths_and_the_ends_of_whole_ones(
        self, path: str, report: str, content: bytes
    ) -> None:
        assert found(path, report) == content

    @pytest.mark.parametrize(
        "path",
        [
            *("../top.png", "../../etc/passwd", "/etc/passwd", "nothing.png", "a.png"),
            *("shots", "shots/", "", "/", ".", "..", "/.."),
        ],
    )
    def test_gives_nothing_that_is_not_in_the_zip(self, path: str) -> None:
        assert found(path) is None

    def test_gives_nothing_of_an_upload_that_is_no_zip(self) -> None:
        companions = Companions(io.BytesIO(b"<testsuite/>"))

        assert not companions.is_zip
        assert companions.find("/etc/passwd", "") is None

    def test_refuses_a_bomb(self) -> None:
        files = {"a.xml": b"<testsuite/>", "zeros": b"\0" * 20_000_000}

        with pytest.raises(ArchiveRefused, match="more than 200 times its size"):
            found("zeros", files=files)

    def test_refuses_what_is_packed_otherwise(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.xml", b"<testsuite/>")
            archive.writestr("big", b"x", zipfile.ZIP_LZMA)

        with pytest.raises(ArchiveRefused, match="another method than deflate"):
            Companions(file).find("big", "a.xml")


def named(output: str, element: str = "system-out") -> list[list[str]]:
    report = (
        "<testsuite name='s'><testcase name='c'>"
        f"<{element}>{output}</{element}></testcase></testsuite>"
    )
    return [
        list(node.mentions)
        for nodes in JUnitReader().read([report.encode()])
        for node in nodes
        if node.is_case
    ]


class TestMentions:
    @pytest.mark.parametrize("element", ["system-out", "system-err"])
    def test_are_lines_of_their_own(self, element: str) -> None:
        output = "started\n[[ATTACHMENT|/ws/a.png]]\n  [[ATTACHMENT|b c.txt]] \r\nsaid [[ATTACHMENT|no]]\n"

        assert named(output, element) == [["/ws/a.png", "b c.txt"]]

    @pytest.mark.parametrize(
        "output", ["", "[[ATTACHMENT|]]", "[[ATTACHMENT|a", "[[attachment|a]]", "[[ATTACHMENT]]"]
    )
    def test_of_nothing_are_none(self, output: str) -> None:
        assert named(output) == [[]]

    def test_count_once_and_not_for_ever(self) -> None:
        output = "\n".join(f"[[ATTACHMENT|{number // 2}]]" for number in range(1_000))

        assert named(output) == [[str(number) for number in range(mentions.MOST)]]

    @pytest.mark.parametrize("size", [7, 1_000, 10_000_000])
    def test_are_found_behind_all_that_is_kept_too(self, size: int) -> None:
        printed = "0123456789 \u00e4\n" * 20_000
        report = (
            "<testsuite name='s'><testcase name='c'>"
            f"<failure>{'trace ' * 20_000}</failure>"
            f"<system-out>{printed}[[ATTACHMENT|first]]\n{printed}</system-out>"
            f"<system-out>\n[[ATTACHMENT|last]]</system-out></testcase></testsuite>"
        ).encode()
        pieces = [report[start : start + size] for start in range(0, len(report), size)]

        nodes = [node for found in JUnitReader().read(pieces) for node in found]

        assert [node.mentions for node in nodes] == [("first", "last"), ()]

    def test_a_line_without_an_end_is_no_file_and_costs_no_memory(self) -> None:
        output = mentions.Output()
        for _ in range(1_000):
            output.add("[[ATTACHMENT|" + "x" * 100_000)

        assert output.named() == []
        assert len(output._line) < 10_000
