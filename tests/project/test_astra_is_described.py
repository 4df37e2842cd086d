"""`docs/reference/dialects/astra.md` says what the code does, and names a test for each line."""

from __future__ import annotations

import re
from pathlib import Path

from backgroundtasks.api.astra import errors, parameters, vocabulary
from backgroundtasks.api.astra.fields import FIELDS, MEMBERS
from backgroundtasks.api.astra.openapi import DOCUMENT
from backgroundtasks.states import State

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "dialects" / "astra.md").read_text()
#: Headings of tables that are compared with the code here, instead of naming tests.
COMPARED = ("ours", "member | operators", "number")


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
    files = (ROOT / "tests" / "dialects" / "astra").glob("test_*.py")
    tests = {
        f"{file.stem}.{name}"
        for file in files
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    rows = [row for heading, rows in tables() if not heading.startswith(COMPARED) for row in rows]

    assert rows
    assert [row for row in rows if not named(row[-1]) or not set(named(row[-1])) <= tests] == []


def test_the_page_has_every_resource() -> None:
    assert [row[0].strip("`") for row in lines("path")][:2] == list(DOCUMENT["paths"])


def test_the_page_has_the_word_of_every_state() -> None:
    assert {row[0].strip("`"): row[1].strip("`") for row in lines("ours")} == {
        str(state): vocabulary.STATES[state] for state in State
    }


def test_the_page_has_every_member() -> None:
    described = {name.partition(".")[0] for row in lines("member | from") for name in named(row[0])}

    assert described == set(MEMBERS) - {"type", "version"}


def test_the_page_has_every_parameter() -> None:
    described = [row[0].strip("`") for row in lines("parameter")]
    known = [*parameters.DOCUMENTED, *parameters.FURTHER]

    assert described[: len(known)] == known
    for row in lines("parameter")[: len(known)]:
        assert ("**ours**" in row[1]) == (row[0].strip("`") in parameters.FURTHER)


def test_the_page_has_every_member_that_can_be_filtered_or_sorted() -> None:
    assert {
        row[0].strip("`"): (tuple(row[1].split(", ")), row[2])
        for row in lines("member | operators")
    } == {name: (field.operators, "yes" if field.order else "no") for name, field in FIELDS.items()}


def test_the_page_has_every_problem() -> None:
    assert {int(row[0]): (int(row[1]), row[2]) for row in lines("number")} == errors.CATALOGUE
