"""
Make a virtual environment hold what a lock file pins; do nothing where it does already.

    python3 scripts/environment.py runtime|dev FOLDER

Runs on a bare Python 3.11 or later: standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What has the packages of what: tools and tests need everything that running needs.
HOLDS = {"runtime": ("runtime", "dev"), "dev": ("dev",)}


class SetupFailed(Exception):
    """The environment cannot be made; the text says why and what to do."""


def lock_file(kind: str) -> Path:
    return ROOT / "requirements" / f"{kind}.txt"


def digest(kind: str) -> str:
    return hashlib.sha256(lock_file(kind).read_bytes()).hexdigest()


def stamp(folder: Path, kind: str) -> Path:
    """Return the file that holds the digest of the lock that was installed last."""
    return folder / f"installed-{kind}"


def is_ready(folder: Path, kind: str) -> bool:
    return any(
        stamp(folder, holder).is_file() and stamp(folder, holder).read_text() == digest(holder)
        for holder in HOLDS[kind]
    )


def is_usable(folder: Path) -> bool:
    """Return whether the folder's Python runs, and is the version that `PYTHON` asks for."""
    python = folder / "bin" / "python"
    try:
        answer = subprocess.run(
            [python, "-c", "import sys, pip; print(*sys.version_info[:2], sep='.')"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    found = tuple(int(part) for part in answer.stdout.split("."))
    return found == sys.version_info[:2] if os.environ.get("PYTHON") else found >= (3, 11)


def create(folder: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SetupFailed(
            f"Python's venv module is missing ({sys.executable}).\n"
            f"Debian and Ubuntu keep it apart: apt-get install python3-venv"
            f" (or python{version}-venv)."
        )
    say(f"Making {folder.name} with Python {version} …")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise SetupFailed(
            f"{sys.executable} -m venv {folder} failed:\n{last_lines(made.stdout + made.stderr)}"
        )


def install(folder: Path, kind: str) -> None:
    lock = lock_file(kind).relative_to(ROOT)
    say(f"Installing what {lock} pins; the first time takes a minute …")
    done = subprocess.run(
        [
            folder / "bin" / "python",
            *("-m", "pip", "install", "--require-hashes", "--no-input"),
            *("--disable-pip-version-check", "--progress-bar", "off", "-r", lock_file(kind)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SetupFailed(
            f"pip could not install {lock}:\n{last_lines(done.stdout)}\n"
            "Packages are downloaded once: is there a network? Behind a mirror, set PIP_INDEX_URL\n"
            "(or PIP_FIND_LINKS to a folder of wheels). Then give the same command again."
        )
    stamp(folder, kind).write_text(digest(kind))


def ensure(folder: Path, kind: str) -> None:
    # Two makes at one moment: the second waits, then finds everything done.
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_usable(folder):
            create(folder)
        if not is_ready(folder, kind):
            install(folder, kind)


def last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(("WARNING:", "Ignoring "))]
    return "\n".join(f"  {line}" for line in lines[-12:])


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    kind, folder = sys.argv[1:]
    try:
        ensure(ROOT / folder, kind)
    except SetupFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
