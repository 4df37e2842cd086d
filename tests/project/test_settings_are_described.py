"""`docs/reference/settings.md` names every setting and every variable of the environment, no other."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backgroundtasks import conf
from tickets import conf as tickets_conf

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()
READERS = [
    *(ROOT / "taskcenter").glob("*.py"),
    *(ROOT / "backgroundtasks" / "management" / "commands").glob("*.py"),
    ROOT / "scripts" / "up.py",
    ROOT / "scripts" / "web.py",
]
SPANS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
# Read to find out who started it, not set by a person.
NOT_FOR_PEOPLE = {"MAKELEVEL", "DJANGO_SETTINGS_MODULE"}


def rows(heading: str) -> dict[str, str]:
    """Return name to default: the first two columns of the table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def spelled(default: object) -> str:
    """Return a default as the page writes it: `5 s`, `1 MiB`, `none`."""
    if isinstance(default, timedelta):
        for unit, size in SPANS.items():
            if default and default % size == timedelta():
                return f"{default // size} {unit}"
    if isinstance(default, int) and default and default % 1024**2 == 0:
        mebibytes = default // 1024**2
        return f"{mebibytes // 1024} GiB" if mebibytes % 1024 == 0 else f"{mebibytes} MiB"
    if isinstance(default, tuple | list):
        return ", ".join(f"`{part}`" for part in default) or "none"
    return str(default)


def variables(source: Path) -> Iterator[str]:
    """Yield the upper-case names that calls (`environ.get`, `_flag`, …) are given first."""
    for node in ast.walk(ast.parse(source.read_text())):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        called = ast.unparse(node.func)
        first = node.args[0]
        reads = called.endswith("environ.get") or called.startswith("_")
        if reads and isinstance(first, ast.Constant) and re.fullmatch(r"[A-Z_]+", str(first.value)):
            yield str(first.value)


def test_every_variable_of_the_environment_is_described_and_no_other() -> None:
    read = {name for source in READERS for name in variables(source)} - NOT_FOR_PEOPLE

    assert set(rows("The environment")) == read


@pytest.mark.parametrize(
    "heading, defaults",
    [
        ("`settings.TASKCENTER`", conf.DEFAULTS),
        ("`settings.TICKETS`", tickets_conf.DEFAULTS),
    ],
    ids=["core", "tickets"],
)
def test_every_number_is_described_with_its_default_and_no_other(
    heading: str, defaults: dict[str, object]
) -> None:
    described = {name: spelled(default) for name, default in defaults.items()}

    assert rows(heading) == described


def test_a_settings_module_of_the_page_changes_what_it_says(tmp_path: Path) -> None:
    [module] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "site_settings.py").write_text(module)
    ask = (
        "import django; django.setup();"
        "from django.db import connection; from backgroundtasks import conf;"
        "from tickets import conf as tickets;"
        "print(conf.RETENTION.days, conf.WORKERS, tickets.UNPACKED_LIMIT,"
        " connection.settings_dict['DISABLE_SERVER_SIDE_CURSORS'])"
    )
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "TASKCENTER_DATA_DIR": str(tmp_path),
        "WORKERS": "3",
    }

    shown = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.split() == ["30", "3", str(2 * 1024**3), "True"]
