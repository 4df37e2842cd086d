"""Composes JUnit reports of any size, piece by piece."""

import io
import itertools
import zipfile
from collections.abc import Iterator, Mapping

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def report(cases: int, *, cases_per_suite: int = 1_000, output: int = 0) -> Iterator[bytes]:
    """
    Yield a report with `cases` test cases in suites, about 130 bytes a case.

    Of every hundred cases one fails, one has an error, one is skipped and one passes
    after a flaky failure. `output` is the length of each suite's system-out, in bytes.
    """
    yield HEAD + b"<testsuites>\n"
    numbers = iter(range(cases))
    for suite in itertools.count():
        block = list(itertools.islice(numbers, cases_per_suite))
        if not block:
            break
        yield (
            f'<testsuite name="pkg.Suite{suite}" tests="{len(block)}" time="1.5" '
            'timestamp="2024-03-05T08:15:42">\n'
        ).encode()
        yield "".join(_case(number, suite) for number in block).encode()
        if output:
            yield b"<system-out>"
            yield from _filler(output)
            yield b"</system-out>\n"
        yield b"</testsuite>\n"
    yield b"</testsuites>\n"


def _case(number: int, suite: int) -> str:
    head = f'<testcase classname="org.example.pkg.Suite{suite}" name="case_{number}" time="0.0{number % 10}"'
    body = _BODIES.get(number % 100)
    return f"{head}>{body}</testcase>\n" if body else f"{head}/>\n"


_BODIES = {
    7: '<failure message="expected 3" type="AssertionError">at line 12</failure>',
    23: '<error message="no connection" type="OSError">at line 30</error>',
    41: '<skipped message="not on this platform"/>',
    77: '<flakyFailure message="timed out">first try</flakyFailure>',
}


def _filler(length: int) -> Iterator[bytes]:
    line = b"a line that a test printed, forty bytes\n"
    block = line * 1_600
    while length > 0:
        yield block[:length]
        length -= len(block)


def zipped(entries: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()
