"""`docs/reference/errors.md` names every error with its code and status, and no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

from backgroundtasks import exceptions
from backgroundtasks.api import errors
from backgroundtasks.api.enterprise_tester.errors import translate
from backgroundtasks.api.errors import ApiError
from backgroundtasks.exceptions import TaskCenterError
from tickets.trackers import errors as trackers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md").read_text()


def rows(heading: str) -> set[tuple[str, ...]]:
    """Return the cells before the last one of the table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.findall(r"^\| (`\w+` \|.*) \| [^|]+ \|$", section, re.MULTILINE)
    return {tuple(cell.strip("` ") for cell in line.split("|")) for line in lines}


def below(base: type[Exception], module: ModuleType) -> list[type[Exception]]:
    classes = [member for _, member in inspect.getmembers(module, inspect.isclass)]
    return [error for error in classes if issubclass(error, base) and error is not base]


def status_of(error: type[Exception]) -> str:
    # Without its __init__: the class alone decides the status.
    known = translate(error.__new__(error))
    assert known
    return str(int(known.status))


def test_the_core_refuses_what_the_page_says() -> None:
    known = {
        (error.__name__, error.code, status_of(error))  # type: ignore[attr-defined]
        for error in below(TaskCenterError, exceptions)
    }

    assert rows("What the core refuses") == known


def test_http_refuses_what_the_page_says() -> None:
    known = {
        (error.__name__, str(int(error.status)))  # type: ignore[attr-defined]
        for error in below(ApiError, errors)
    }

    assert rows("What HTTP refuses") == known


def test_trackers_do_what_the_page_says() -> None:
    known = {
        (error.__name__, error.code, "later" if error.temporary else "fails")  # type: ignore[attr-defined]
        for error in below(trackers.TrackerError, trackers)
    }

    assert rows("What a tracker may do") == known
