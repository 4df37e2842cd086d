"""
Run the commands of README.md against a running task center, and renew the output below them.

    make up                       in one terminal
    python -m scripts.readme      in another one

A test runs the same commands against an installation of its own and compares what they print,
but for ids, moments and numbers.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
# As the page writes them; a test puts its own in their place.
ADDRESS = "http://127.0.0.1:8000"
PYTHON = ".venv/bin/python"

LIMIT = 400  # seconds for all commands; some wait for what may never come
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
MARK = "\x1e"  # ends the output of a command; no command prints it
MASKS = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<moment>"),
    (re.compile(r"(?i)^(date: ).+$", re.MULTILINE), r"\1<moment>"),
    (re.compile(r"(?<=worker )\S+:\d+"), "<worker>"),
    (re.compile(r"(?m)(?<=^  \d  )\S+:\d+"), "<worker>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<number>"),
)


@dataclass(frozen=True)
class Step:
    """A command of the page, and what the page says that it prints."""

    command: str
    output: str


def steps(page: str) -> list[Step]:
    """Return the commands of all console blocks: `$ ` starts one, `> ` continues it."""
    found: list[Step] = []
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            last = max(n for n, line in enumerate(lines) if n == 0 or line.startswith("> "))
            command = "".join(line.removeprefix("> ") for line in lines[: last + 1])
            found.append(Step(command, "".join(lines[last + 1 :])))
    return found


def run(
    commands: list[str], environment: dict[str, str], instead: dict[str, str] | None = None
) -> list[str]:
    """
    Run the commands in one shell, and return what each has printed.

    Args:
        commands: As the page writes them.
        environment: Variables for them.
        instead: What to put in the place of texts in the commands, such as `ADDRESS`.

    Raises:
        subprocess.SubprocessError: the shell itself failed, or it took too long.
    """
    script = "exec 2>&1\n" + "".join(f"{command}\nprintf '{MARK}'\n" for command in commands)
    for ours, theirs in (instead or {}).items():
        script = script.replace(ours, theirs)
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    printed = done.stdout.replace("\r\n", "\n")
    for ours, theirs in (instead or {}).items():
        printed = printed.replace(theirs, ours)
    return [_ended(output) for output in printed.split(MARK)[:-1]]


def _ended(output: str) -> str:
    """Return the output without empty lines around it, ended by a line break."""
    text = output.strip("\n")
    return f"{text}\n" if text else ""


def renewed(page: str, outputs: list[str]) -> str:
    """Return the page with other outputs below its commands."""
    rest = iter(outputs)

    def block(match: re.Match[str]) -> str:
        return "".join(
            "$ " + step.command.rstrip("\n").replace("\n", "\n> ") + "\n" + next(rest)
            for step in steps(f"```console\n{match[0]}```\n")
        )

    return BLOCK.sub(block, page)


def masked(text: str) -> str:
    """Return the text without what differs from run to run: ids, moments, numbers."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def main() -> None:
    page = README.read_text()
    commands = [step.command for step in steps(page)]
    README.write_text(renewed(page, run(commands, dict(os.environ))))


if __name__ == "__main__":
    main()
