"""The lock files pin everything with hashes, and the tools run against what the product runs with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KINDS = ("runtime", "s3", "dev")
REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"


def pins(kind: str) -> set[tuple[str, str]]:
    """Return (requirement, hashes) for each entry of a lock file."""
    text = (REQUIREMENTS / f"{kind}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {(line.split(" --hash", 1)[0].strip(), line.partition("--hash")[2]) for line in lines}


@pytest.mark.parametrize("kind", KINDS)
def test_every_pin_is_exact_and_has_hashes(kind: str) -> None:
    for requirement, hashes in pins(kind):
        assert re.match(r"[\w.-]+(\[\w+\])?==[\w.]+", requirement), requirement
        assert hashes.startswith("=sha256:"), requirement


def test_the_tools_run_against_what_the_product_runs_with() -> None:
    # The markers may differ: a tool may need for every Python what the product needs for some.
    exact = [{requirement.split(" ;")[0] for requirement, _ in pins(kind)} for kind in KINDS]

    assert exact[0] | exact[1] <= exact[2]


def test_everything_asked_for_is_pinned() -> None:
    asked = {
        re.split(r"[<>=\[]", line)[0].lower()
        for name in ("runtime.in", "s3.in", "dev.in")
        for line in (REQUIREMENTS / name).read_text().split("\n")
        if line and not line.startswith(("-", "#"))
    }

    assert asked <= {re.split(r"[=\[]", requirement)[0] for requirement, _ in pins("dev")}
