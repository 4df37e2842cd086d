"""Schemathesis asks a live server everything that a document allows, and much that it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.http import Server, token
from tests.support.workers import WorkerCommand

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor

EXAMPLES = 10
#: A text that is longer than it may be can make the whole body too large: that is refused with 413.
REFUSALS = """
[checks.negative_data_rejection]
expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx",
]
"""


def require_agreement(
    folder: Path,
    actor: Actor,
    dialect: str,
    parameters: Mapping[str, str],
    more: str = "",
    *options: str,
) -> None:
    """
    Fail if any answer is not as the dialect's document says.

    Args:
        folder: For the configuration.
        actor: Who asks.
        dialect: Whose document it is.
        parameters: `path.run_id` to its value, so that requests get behind the 404.
        more: Of the configuration, in TOML.
        options: Of its command line, behind ours.
    """
    bearer = token(actor.user, life=timedelta(hours=1))
    config = folder / "schemathesis.toml"
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    config.write_text("[parameters]\n" + "\n".join(lines) + "\n" + REFUSALS + more)

    # Its logins with made-up names are no attack.
    with WorkerCommand(workers=1), Server(LOGIN_ATTEMPTS=10**9) as server:
        asked = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                f"--config-file={config}",
                "run",
                f"{server.url}/schema/{dialect}/?format=json",
                "--checks=all",
                f"--header=Authorization: Bearer {bearer}",
                f"--max-examples={EXAMPLES}",
                "--seed=1",
                "--request-timeout=20",
                "--suppress-health-check=all",
                "--workers=1",
                "--no-color",
                *options,
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        log = server.log()

    assert asked.returncode == 0, asked.stdout[-20_000:] + asked.stderr[-2_000:]
    assert "Traceback" not in log, log[-5_000:]
