"""`docs/reference/dialects/sailpoint.md` says what the code does, and names a test for each line."""

from __future__ import annotations

import re
from pathlib import Path

from backgroundtasks.api.sailpoint.versions import VERSIONS
from backgroundtasks.api.sailpoint.vocabulary import COMPLETION
from backgroundtasks.states import State
from tests.support.sailpoint import MEMBERS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "dialects" / "sailpoint.md").read_text()
#: Headings of tables that are compared with the code here, instead of naming tests.
COMPARED = ("version", "ours")


def tables() -> list[tuple[str, list[list[str]]]]:
    """Return each table's heading row, and the cells of its lines."""
    found = []
    for block in re.findall(r"^(\|.+\|)\n\|[-|]+\|\n((?:\|.+\|\n)+)", PAGE, re.MULTILINE):
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block[1].splitlines()]
        found.append((block[0].strip("| "), lines))
    return found


def lines(heading: str) -> list[list[str]]:
    [found] = [rows for name, rows in tables() if name.startswith(heading)]
    return found


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_line_names_a_test_that_there_is() -> None:
    files = (ROOT / "tests" / "dialects" / "sailpoint").glob("test_*.py")
    tests = {
        f"{file.stem}.{name}"
        for file in files
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    rows = [row for heading, rows in tables() if not heading.startswith(COMPARED) for row in rows]

    assert rows
    assert [row for row in rows if not named(row[-1]) or not set(named(row[-1])) <= tests] == []


def test_the_page_has_every_version_with_its_filters() -> None:
    assert lines("version") == [
        [
            f"`{version.name}`",
            f"`/{version.path}`",
            "; ".join(f"{name}: {', '.join(some)}" for name, some in version.operators.items()),
        ]
        for version in VERSIONS
    ]


def test_the_page_has_the_word_of_every_state() -> None:
    assert {row[0].strip("`"): row[1].partition(";")[0] for row in lines("ours")} == {
        str(state): COMPLETION[state] or "null" for state in State
    }


def test_the_page_has_every_member() -> None:
    described = {name for row in lines("member") for name in named(row[0])}

    assert described == {*MEMBERS, "parameters"}
