"""Schemathesis asks the live server everything that its OpenAPI document allows, and much that it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backgroundtasks.states import State
from tests.support import factories, projects
from tests.support.http import Server, token
from tests.support.workers import WorkerCommand

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]

EXAMPLES = 10


def _ids(actor: Any) -> dict[str, str]:
    """Store one of each thing, so that requests get behind the 404; return their ids."""
    project = projects.ProjectFactory.create(account=actor.account)
    assignment = projects.AssignmentFactory.create(
        automated_test__project=project, account=actor.account
    )
    run = projects.RunFactory.create(assignment=assignment, account=actor.account)
    node = projects.NodeFactory.create(run=run)
    return {
        "path.project_id": str(project.pk),
        "path.package_id": str(assignment.package_id),
        "path.test_id": str(assignment.automated_test_id),
        "path.assignment_id": str(assignment.pk),
        "path.run_id": str(run.pk),
        "path.node_id": str(node.pk),
        "path.index_name": "entities",
        "path.public_id": f"work-{factories.run(State.SUCCEEDED, owner=actor).pk}",
    }


def test_every_answer_is_as_the_document_says(tmp_path: Path) -> None:
    actor = factories.actor(role="admin")
    bearer = token(actor.user, life=timedelta(hours=1))
    config = tmp_path / "schemathesis.toml"
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in _ids(actor).items()]
    config.write_text("[parameters]\n" + "\n".join(lines) + "\n")

    # Its logins with made-up names are no attack.
    with WorkerCommand(workers=1), Server(LOGIN_ATTEMPTS=10**9) as server:
        asked = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                f"--config-file={config}",
                "run",
                f"{server.url}/schema/enterprise_tester/?format=json",
                "--checks=all",
                f"--header=Authorization: Bearer {bearer}",
                f"--max-examples={EXAMPLES}",
                "--seed=1",
                "--request-timeout=20",
                "--suppress-health-check=all",
                "--workers=2",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        log = server.log()

    assert asked.returncode == 0, asked.stdout[-20_000:] + asked.stderr[-2_000:]
    assert "Traceback" not in log, log[-5_000:]
