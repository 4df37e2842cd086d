"""`docs/reference/dialects/arcgis.md` says what the code does, and names a test for each line."""

from __future__ import annotations

import re
from pathlib import Path

from backgroundtasks.api.arcgis.resources import RESOURCES
from backgroundtasks.api.arcgis.vocabulary import RUN_STATUS
from backgroundtasks.states import State

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "dialects" / "arcgis.md").read_text()
TESTS = ROOT / "tests" / "dialects" / "arcgis"
#: Headings of tables that are compared with the code here, instead of naming tests.
COMPARED = ("path", "ours")


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


def braced(path: str) -> str:
    """Return a path as people write it: `system/tasks/{task_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def test_every_line_names_a_test_that_there_is() -> None:
    paths = [*TESTS.glob("test_*.py"), ROOT / "tests/acceptance/test_arcgis_in_a_browser.py"]
    files = {file.stem: file.read_text() for file in paths}
    rows = [row for heading, rows in tables() if not heading.startswith(COMPARED) for row in rows]

    def is_there(name: str) -> bool:
        """Whether a test is in the file that is named, or in the one of the pages."""
        first, _, rest = name.partition(".")
        file, rest = (files[first], rest) if first in files else (files["test_pages"], name)
        return all(re.search(rf"(?:def|class) {part}\b", file) for part in rest.split("."))

    assert rows
    assert [
        row for row in rows if not named(row[-1]) or not all(map(is_there, named(row[-1])))
    ] == []


def test_the_page_has_every_path_with_its_operations_and_who_may() -> None:
    assert lines("path") == [
        [
            f"`/{braced(resource.path)}`",
            ", ".join(
                f"`{one.name}`{' (**ours**)' if one.extension else ''}"
                for one in resource.operations
            ),
            resource.access.name,
        ]
        for resource in RESOURCES
    ]


def test_the_page_has_the_word_of_every_state() -> None:
    assert {row[0].strip("`"): row[1].strip("`") for row in lines("ours")} == {
        str(state): RUN_STATUS[state] for state in State
    }
