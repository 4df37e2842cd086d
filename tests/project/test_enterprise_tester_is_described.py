"""`docs/reference/dialects/enterprise_tester.md` has the resources and task types that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from backgroundtasks.handlers import registry

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "dialects" / "enterprise_tester.md").read_text()
DOCUMENT = json.loads(
    (ROOT / "tests" / "dialects" / "enterprise_tester" / "openapi.json").read_text()
)
OURS = ("tickets.", "indexing.", "backgroundtasks.")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| `.+$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_has_every_resource_with_its_methods() -> None:
    described = {row[0].strip("`"): set(row[1].split(", ")) for row in rows("Resources")}

    assert described == {
        path: {method.upper() for method in operations if method != "parameters"}
        for path, operations in DOCUMENT["paths"].items()
    }


def test_the_page_says_which_collections_take_queries() -> None:
    for path, methods, said in rows("Resources"):
        if path == "`/api/backgroundtasks`":
            continue  # what its list takes is described with it
        operation = DOCUMENT["paths"][path.strip("`")]["get" if "GET" in methods else "post"]
        query = {parameter["name"] for parameter in operation.get("parameters", [])}

        assert ("OData" in said) == ("$filter" in query), path
        assert ("TQL" in said) == ("tql" in query), path


def test_the_page_has_every_task_type_with_its_parameters() -> None:
    described = {
        row[0].strip("`"): (row[1].strip("`…"), set(re.findall(r"`(\w+)`", row[2])))
        for row in rows("Task types")
    }

    assert described == {
        handler.task_type: (handler.public_prefix(), set(handler.Parameters().fields))
        for handler in registry.all_handlers()
        if handler.__module__.startswith(OURS)
    }


def test_where_others_are_named_their_headings_are_there() -> None:
    other = (ROOT / "docs" / "reference" / "http_api.md").read_text()
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^##? (.+)$", other, re.MULTILINE)
    }

    assert set(re.findall(r"http_api\.md#([\w-]+)", PAGE)) <= headings


def test_every_test_that_the_page_names_is_there() -> None:
    folder = ROOT / "tests" / "dialects" / "enterprise_tester"
    there = {
        name
        for path in folder.glob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))

    assert len(named) > 20
    assert named <= there
