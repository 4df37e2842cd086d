"""`docs/reference/commands.md` has every command of ours with its options, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md").read_text()
OURS = {"backgroundtasks", "indexing", "tickets"}
COMMANDS = {name: app for name, app in get_commands().items() if app in OURS}

OF_EVERY_COMMAND = {
    f"--{name}"
    for name in (
        *("help", "version", "verbosity", "settings", "pythonpath", "traceback"),
        *("no-color", "force-color", "skip-checks"),
    )
}


def sections() -> dict[str, str]:
    """Return command to the text below its heading; a heading may name several."""
    found = {}
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        for name in re.findall(r"`(\w+)", heading):
            found[name] = text.split("\n## ", 1)[0]
    return found


def test_the_page_has_every_command_and_no_other() -> None:
    assert set(sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_page_has_every_option_and_no_other(name: str) -> None:
    command = load_command_class(COMMANDS[name], name)
    parser = command.create_parser("manage.py", name)
    options = {
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    described = set(re.findall(r"--[a-z-]+", sections()[name]))

    assert described == options - OF_EVERY_COMMAND
