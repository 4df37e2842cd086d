"""The page about imports: its commands print what it shows, its limits and refusals are the code's."""

from __future__ import annotations

import io
import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from backgroundtasks import conf as core
from scripts import readme
from tests.support.installation import environment, start
from tickets import conf, evidence
from tickets.handlers.automated_test_import import AutomatedTestImport
from tickets.results import junit, mentions, text, upload
from tickets.results.exceptions import ResultsUnreadable

PAGE = (
    Path(__file__).resolve().parents[2] / "docs" / "howto" / "import_test_results.md"
).read_text()


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is this."""
    table = PAGE.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip("` ") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def packed(*names: str, encrypted: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<testsuite/>")
    content = bytearray(file.getvalue())
    if encrypted:
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


#: An upload for each refusal on the page.
REFUSED = {
    "syntax error at line 1, column 1": b"no XML",
    "unexpected end of file": b"<testsuite><testcase/>",
    "the report is empty": b"",
    "its root element is <html>, not <testsuites> or <testsuite>": b"<html/>",
    "its DOCTYPE declares entities or attributes of its own": (
        b'<!DOCTYPE a [<!ENTITY x "y">]><testsuite/>'
    ),
    "the zip holds no .xml file": packed("readme.txt"),
    "the zip names a path outside itself": packed("../b.xml"),
    "the zip is encrypted": packed("a.xml", encrypted=True),
}


@pytest.mark.acceptance
@pytest.mark.acceptance
@pytest.mark.timeout(500)
@pytest.mark.skipif(sys.platform != "linux", reason="the workers are for Linux")
@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    steps = readme.steps(PAGE)
    up = start(tmp_path / "data")
    instead = {
        readme.ADDRESS: f"http://127.0.0.1:{up.port}",
        readme.PYTHON: sys.executable,
        "var/": f"{up.data}/",
    }
    try:
        up.wait_until_ready()
        commands = [step.command for step in steps]
        printed = readme.run(commands, environment(up.port, up.data), instead)
    finally:
        up.end()

    assert len(printed) == len(steps)
    for step, output in zip(steps, printed, strict=True):
        # Unlike the README's, the counts of this page are its point: only ids differ.
        assert unnamed(output) == unnamed(step.output), step.command


def unnamed(printed: str) -> str:
    return re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", printed)


def test_each_refusal_of_the_page_has_an_upload_here() -> None:
    assert [row[0] for row in rows("`Error`")] == list(REFUSED)


@pytest.mark.parametrize("reason", REFUSED)
def test_is_refused_with_the_text_of_the_page(reason: str) -> None:
    with pytest.raises(ResultsUnreadable) as refusal:
        read(REFUSED[reason])

    assert refusal.value.reason == reason
    assert re.fullmatch(
        rf"Unable to parse results(?: \(.+\))?: {re.escape(reason)}\.", str(refusal.value)
    )


def read(content: bytes) -> None:
    reader = junit.JUnitReader()
    for report in upload.reports(io.BytesIO(content), unpacked_limit=1024**3):
        for _ in reader.read(report.chunks(), report.source):
            pass


def test_the_limits_are_those_of_the_code() -> None:
    described = {row[0]: row[1] for row in rows("what")}
    directory = upload.LARGEST_DIRECTORY // 1024**2
    hours = AutomatedTestImport.timeout.total_seconds() / 3600

    assert described == {
        "an upload": f"{core.UPLOAD_LIMIT // 1024**3} GiB",
        "the reports of a zip, unpacked": f"{conf.UNPACKED_LIMIT // 1024**3} GiB",
        "entries of a zip; its directory": f"{upload.MOST_ENTRIES:,}; {directory} MB",
        "one entry, unpacked": (
            f"{upload.HIGHEST_RATIO} times its size, asked of those over "
            f"{upload.RATIO_ASKED_FROM // 1024**2} MB"
        ),
        "elements in elements": str(junit.DEEPEST),
        "a tag with its attributes, a comment": f"{junit.LONGEST_TAG // 1024**2} MB",
        "different names of elements and attributes": f"{junit.MOST_NAMES:,}",
        "an attachment": f"{conf.ATTACHMENT_LIMIT // 1024**2} MiB",
        "attachments of one node; of one import": f"{mentions.MOST}; {evidence.MOST:,}",
        "all of them, unpacked": f"{conf.UNPACKED_LIMIT // 1024**3} GiB",
        "the import": f"{hours:g} hours; it is tried three times",
    }
    assert AutomatedTestImport.attempts_of() == 3
    assert f"{text.NODE_LIMIT // 1024} KB are kept" in PAGE
    assert f"{text.NAME_LIMIT:,} characters are kept" in PAGE
