"""Setting up says what is missing on the machine, and does nothing twice."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environment
from scripts.environment import SetupFailed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose lock files ask for a package that nobody has."""
    (tmp_path / "requirements").mkdir()
    for kind in ("runtime", "dev"):
        lock = tmp_path / "requirements" / f"{kind}.txt"
        lock.write_text(f"no-such-package-{kind}==1.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def folder(checkout: Path) -> Path:
    """An environment there, with the Python of this one."""
    made = checkout / ".venv"
    (made / "bin").mkdir(parents=True)
    python = made / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return made


class TestPython:
    def choose(self, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", ROOT / "scripts" / "python"],
            env={"PATH": str(path), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self, path: Path, name: str, script: str) -> None:
        path.mkdir(exist_ok=True)
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)

    def test_takes_the_first_one_that_is_new_enough(self, tmp_path: Path) -> None:
        self.install(tmp_path, "python3", "exit 1")
        self.install(tmp_path, "python3.12", "exit 0")

        assert self.choose(tmp_path).stdout == "python3.12\n"

    def test_takes_the_one_that_is_named(self) -> None:
        chosen = self.choose(Path("/nowhere"), PYTHON=sys.executable)

        assert chosen.stdout == f"{sys.executable}\n"

    def test_says_which_one_it_found_and_what_to_install(self, tmp_path: Path) -> None:
        old = '[ "$1" = --version ] && echo "Python 3.9.2" || exit 1'
        self.install(tmp_path, "python3", old)
        self.install(tmp_path, "cat", 'exec /bin/cat "$@"')

        chosen = self.choose(tmp_path)

        assert chosen.returncode == 1
        assert "needs Python 3.11 or later; this machine has Python 3.9.2" in chosen.stderr
        assert "apt-get install python3 python3-venv" in chosen.stderr

    def test_refuses_a_named_one_that_cannot_be_used(self) -> None:
        chosen = self.choose(Path("/nowhere"), PYTHON="/bin/false")

        assert chosen.returncode == 1
        assert chosen.stderr == "PYTHON=/bin/false is no Python 3.11 or later that can be run.\n"


class TestEnvironment:
    def test_a_missing_venv_module_is_named_with_its_package(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

        with pytest.raises(SetupFailed, match="venv module is missing") as failure:
            environment.create(checkout / ".venv")

        assert "apt-get install python3-venv" in str(failure.value)

    def test_packages_out_of_reach_are_said_to_need_a_network(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")

        with pytest.raises(SetupFailed, match="is there a network") as failure:
            environment.install(folder, "runtime")

        assert "no-such-package-runtime" in str(failure.value)
        assert not environment.is_ready(folder, "runtime")

    def test_what_is_installed_is_not_installed_again(self, folder: Path) -> None:
        environment.stamp(folder, "runtime").write_text(environment.digest("runtime"))

        environment.ensure(folder, "runtime")  # else pip would look for the package, and fail

    def test_the_tools_environment_can_run_the_product(self, folder: Path) -> None:
        environment.stamp(folder, "dev").write_text(environment.digest("dev"))

        assert environment.is_ready(folder, "runtime")

    def test_a_changed_lock_is_installed(self, folder: Path) -> None:
        environment.stamp(folder, "dev").write_text(environment.digest("dev"))
        environment.lock_file("dev").write_text("another==1.0\n")

        assert not environment.is_ready(folder, "dev")
        assert not environment.is_ready(folder, "runtime")

    def test_an_environment_whose_python_is_gone_is_not_usable(self, folder: Path) -> None:
        (folder / "bin" / "python").unlink()

        assert not environment.is_usable(folder)
