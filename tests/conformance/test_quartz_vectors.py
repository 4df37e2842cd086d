"""Fire times as the real Quartz gave them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backgroundtasks.cron import CronInvalid, parse

FILE = Path(os.environ.get("SPECS_DIR", "../shared/specs")) / "quartz_vectors.tsv"
AFTER = datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC)

ROWS = (
    [line.split("\t") for line in FILE.read_text().splitlines() if not line.startswith("#")]
    if FILE.is_file()
    else []
)

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not ROWS, reason="SPECS_DIR names no folder with quartz_vectors.tsv"),
]


@pytest.mark.parametrize("expression, expected", ROWS)
def test_each_expression_fires_as_in_quartz(expression: str, expected: str) -> None:
    if expected == "ERR":
        with pytest.raises(CronInvalid):
            parse(expression)
        return
    wanted = [] if expected == "END" else expected.split("|")
    found: list[str] = []
    cron, moment = parse(expression), AFTER
    for _ in range(12):
        following = cron.next_after(moment)
        if following is None:
            break
        moment = following
        found.append(f"{following:%Y-%m-%d %H:%M:%S}")
    assert found == wanted
