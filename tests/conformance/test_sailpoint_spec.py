"""Every kind of answer, in every version, held to the vendor's own OpenAPI document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.cache import cache
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker

from backgroundtasks.api.sailpoint import listing
from backgroundtasks.models import Message
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller, token
from tests.support.sailpoint import BASES

FILE = (
    Path(os.environ.get("SPECS_DIR", "../shared/specs")) / "sailpoint-task-management.openapi.yaml"
)

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.django_db,
    pytest.mark.skipif(not FILE.is_file(), reason="SPECS_DIR names no folder with the document"),
    pytest.mark.parametrize("base", BASES.values()),
]

UNKNOWN = "0" * 32
KIND = "application/json-patch+json"


@pytest.fixture(scope="module")
def spec() -> Any:
    return yaml.safe_load(FILE.read_text())


@pytest.fixture
def me(settings: Any) -> Caller:
    # The document knows the upper case only, which is what /beta has with this setting.
    settings.TASKCENTER = {**settings.TASKCENTER, "SAILPOINT_BETA_UPPER_CASE": True}
    cache.clear()
    return Caller()


def nullable(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: `nullable` becomes a type."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: nullable(value) for name, value in schema.items()}
    if found.pop("nullable", False) and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def require_as_described(spec: Any, answer: Any, path: str, method: str, status: int) -> None:
    """The status is listed, and the body fits its schema where it has one."""
    assert answer.status_code == status, answer.content
    responses = spec["paths"][path][method]["responses"]
    assert str(status) in responses
    described = responses[str(status)]
    if "$ref" in described:
        described = spec["components"]["responses"][described["$ref"].rpartition("/")[2]]
    if method == "head":
        return
    assert answer["Content-Type"] == "application/json"
    content = described.get("content")
    schema = content["application/json"]["schema"] if content else {}
    document = {**nullable(schema), "components": nullable(spec["components"])}
    found = json.loads(answer.content)
    problems = Draft202012Validator(document, format_checker=FormatChecker()).iter_errors(found)
    assert [problem.message for problem in problems] == []


def rich_runs(me: Caller) -> list[Any]:
    """Return a run in each state, with everything that a run can have."""
    parent = factories.run(State.WAITING, owner=me.actor)
    made = [parent]
    for state in State:
        run = factories.run(
            state,
            owner=me.actor,
            parent=parent,
            child_key=state,
            resource_id="77c1",
            text="Reading",
            processed=1,
            total=3,
            result={"values": {"productsRead": 7}, "warnings": ["late"]},
        )
        run.task.resource = {"id": "77c1", "name": "catalogue", "kind": "application"}
        run.task.save()
        for level in ("info", "warning", "error"):
            Message.objects.create(run=run, level=level, key="a", parameters={"n": 1, "s": "x"})
        made.append(run)
    return made


def test_a_list(spec: Any, me: Caller, base: str) -> None:
    rich_runs(me)

    require_as_described(spec, me.get(f"{base}?count=true"), base, "get", 200)


def test_each_state(spec: Any, me: Caller, base: str) -> None:
    for run in rich_runs(me):
        answer = me.get(f"{base}/{run.pk.hex}")

        require_as_described(spec, answer, f"{base}/{{id}}", "get", 200)


@pytest.mark.parametrize("word", ["SUCCESS", "WARNING", "ERROR", "TERMINATED", "TEMPERROR"])
def test_a_change(spec: Any, me: Caller, base: str, word: str) -> None:
    run = factories.run(owner=me.actor)
    body = [{"op": "replace", "path": "/completionStatus", "value": word}]

    answer = patch(me, f"{base}/{run.pk.hex}", body)

    require_as_described(spec, answer, f"{base}/{{id}}", "patch", 200)


def test_pending_tasks(spec: Any, me: Caller, base: str) -> None:
    path = f"{base}/pending-tasks"
    if path not in spec["paths"]:
        pytest.skip("this version has none")
    rich_runs(me)

    require_as_described(spec, me.get(path), path, "get", 200)
    require_as_described(spec, me._client.head(path, headers=me.headers), path, "head", 200)
    require_as_described(spec, me.get(f"{path}?limit=x"), path, "get", 400)
    require_as_described(spec, Client().get(path), path, "get", 401)


def test_refusals_of_a_list(
    spec: Any, me: Caller, base: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Caller(me.actor, authorization=f"Bearer {token(me.actor.user, scope='tasks:write')}")

    require_as_described(spec, me.get(f"{base}?filters=("), base, "get", 400)
    require_as_described(spec, Client().get(base), base, "get", 401)
    require_as_described(spec, writer.get(base), base, "get", 403)
    settings.TASKCENTER = {**settings.TASKCENTER, "SAILPOINT_RATE_LIMIT": 0}
    me.get(base)
    require_as_described(spec, me.get(base), base, "get", 429)
    settings.TASKCENTER = {**settings.TASKCENTER, "SAILPOINT_RATE_LIMIT": None}
    monkeypatch.setattr(listing, "page", None)
    require_as_described(spec, me.get(base), base, "get", 500)


def test_refusals_of_one(spec: Any, me: Caller, base: str) -> None:
    reader = Caller(me.actor, authorization=f"Bearer {token(me.actor.user, scope='tasks:read')}")
    writer = Caller(me.actor, authorization=f"Bearer {token(me.actor.user, scope='tasks:write')}")
    one, path = f"{base}/{{id}}", f"{base}/{UNKNOWN}"

    require_as_described(spec, me.get(path), one, "get", 404)
    require_as_described(spec, Client().get(path), one, "get", 401)
    require_as_described(spec, writer.get(path), one, "get", 403)
    require_as_described(spec, patch(me, path, []), one, "patch", 404)
    require_as_described(spec, patch(me, path, {}), one, "patch", 400)
    require_as_described(spec, patch(reader, path, []), one, "patch", 403)
    require_as_described(spec, Client().patch(path, "[]", content_type=KIND), one, "patch", 401)


def patch(me: Caller, path: str, body: Any) -> Any:
    return me._client.patch(path, json.dumps(body), content_type=KIND, headers=me.headers)
