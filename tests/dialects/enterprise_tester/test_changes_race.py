"""A change that meets a deletion: the thing is gone, and does not come back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db.models import Model

from tests.support.http import Caller
from tests.support.projects import (
    AssignmentFactory,
    AutomatedTestFactory,
    NodeFactory,
    PackageFactory,
    ProjectFactory,
    RunFactory,
)
from tickets.api import lookup

pytestmark = pytest.mark.django_db


def changes(account: Any) -> dict[str, tuple[Model, str, str, dict[str, Any]]]:
    """Return for each kind a row, and the method, path and body that change it."""
    project = ProjectFactory.create(account=account)
    package = PackageFactory.create(account=account, project=project)
    test = AutomatedTestFactory.create(account=account, project=project)
    assignment = AssignmentFactory.create(account=account, package=package, automated_test=test)
    run = RunFactory.create(account=account, assignment=assignment)
    node = NodeFactory.create(run=run)
    return {
        "project": (project, "PUT", f"project/{project.pk}", {"Name": "New"}),
        "package": (package, "PUT", f"executionpackage/{package.pk}", {"Name": "New"}),
        "test": (test, "PUT", f"automatedtest/{test.pk}", {"Name": "New"}),
        "assignment": (assignment, "PUT", f"automatedtestassignment/{assignment.pk}", {}),
        "node": (node, "PATCH", f"automatedtestrun/{run.pk}/node/{node.pk}", {"Notes": "New"}),
    }


@pytest.mark.parametrize("kind", ["project", "package", "test", "assignment", "node"])
def test_of_what_was_deleted_meanwhile_is_answered_like_one_of_the_unknown(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = Caller()
    row, method, path, body = changes(caller.actor.account)[kind]
    get = lookup.get

    def deleted_after_reading(rows: Any, *others: Any) -> Any:
        found = get(rows, *others)
        if isinstance(found, type(row)):
            type(row)._base_manager.get(pk=found.pk).delete()
        return found

    monkeypatch.setattr(lookup, "get", deleted_after_reading)
    answer = caller._client.generic(
        method, f"/api/{path}", json.dumps(body), "application/json", headers=caller.headers
    )

    assert (answer.status_code, list(answer.json())) == (404, ["Message"]), answer.content
    assert not type(row)._base_manager.filter(pk=row.pk).exists()
