"""`docs/howto/operate.md` says of every event of level WARNING and above what to do."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "howto" / "operate.md").read_text()
PACKAGES = ("backgroundtasks", "tickets", "indexing", "taskcenter")
#: `_tell` is the reaper's; its event comes with the run that it is about.
LOGGED = re.compile(
    r'(?:\blog(?:ger)?\.(?:warning|error|critical|exception)|\b_tell)\(\s*"([a-z]+\.[a-z_]+)'
)


def logged() -> set[str]:
    sources = [source for name in PACKAGES for source in (ROOT / name).rglob("*.py")]
    return {event for source in sources for event in LOGGED.findall(source.read_text())}


def described() -> list[str]:
    section = PAGE.split("## What the log says\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return [event for cell in cells for event in re.findall(r"`([\w.]+)`", cell)]


def test_every_event_is_described_once_and_no_other() -> None:
    assert sorted(described()) == sorted(logged())
