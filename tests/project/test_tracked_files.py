"""What is committed names no machine's own folders and no registry's address."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Written with [brackets], so that this file itself does not name them.
REGISTRIES = re.compile(r"py[p]i\.org|python[h]osted\.org|registry\.npm[j]s|deb\.deb[i]an\.org")
FOLDERS = re.compile(r"(?:^|[^\w.])/(?:wor[k]|far[m])/[A-Za-z.]|/roo[t]/|/hom[e]/[a-z]")
LARGEST = 600 * 1024


def tracked() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        text = path.read_bytes().decode(errors="ignore")
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_no_registry_is_named() -> None:
    assert lines_with(REGISTRIES) == []


def test_no_folder_of_a_machine_is_named() -> None:
    assert lines_with(FOLDERS) == []


def test_no_file_is_large() -> None:
    assert [path for path in tracked() if path.stat().st_size > LARGEST] == []
