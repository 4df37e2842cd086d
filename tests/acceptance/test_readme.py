"""Every command of the README does what the page shows, on a fresh installation."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from scripts import readme
from tests.support.installation import Installation, environment, start

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(500),
    pytest.mark.skipif(sys.platform != "linux", reason="the workers are for Linux"),
    pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl"),
]


def instead(up: Installation) -> dict[str, str]:
    """Return what stands here for the page's address, interpreter and folder."""
    return {
        readme.ADDRESS: f"http://127.0.0.1:{up.port}",
        readme.PYTHON: sys.executable,
        "var/": f"{up.data}/",
    }


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    steps = readme.steps(readme.README.read_text())
    up = start(tmp_path / "data")
    try:
        up.wait_until_ready()
        printed = readme.run(
            [step.command for step in steps], environment(up.port, up.data), instead(up)
        )
    finally:
        up.end()

    assert len(printed) == len(steps)
    for step, output in zip(steps, printed, strict=True):
        assert readme.masked(output) == readme.masked(step.output), step.command
