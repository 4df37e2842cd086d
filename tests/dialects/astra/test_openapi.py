"""The OpenAPI document: as committed, true to the vendor's schema, and served with a page."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator

from backgroundtasks.api.astra.fields import FIELDS, MEMBERS
from backgroundtasks.api.astra.openapi import DOCUMENT
from backgroundtasks.states import State
from tests.support import factories
from tests.support.astra import listed, shown, valid
from tests.support.http import Caller

SNAPSHOT = Path(__file__).with_name("openapi.json")
SCHEMA = json.loads(Path(__file__).with_name("schema.json").read_text())


@pytest.fixture
def openapi() -> Any:
    return json.loads(json.dumps(DOCUMENT))


def against(name: str, document: Any) -> list[str]:
    """Return what stands against a component of the document."""
    schema = {
        "$ref": f"#/components/schemas/{name}",
        "components": json.loads(json.dumps(DOCUMENT["components"])),
    }
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def query(openapi: Any, name: str) -> Any:
    [operation] = [
        path["get"] for path in openapi["paths"].values() if len(path["get"]["parameters"]) > 2
    ]
    return next(one["schema"] for one in operation["parameters"] if one["name"] == name)


def test_it_is_as_committed(openapi: Any) -> None:
    """Renew it: RENEW_SNAPSHOTS=1 .venv/bin/pytest tests/dialects/astra/test_openapi.py."""
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(openapi, indent=1, ensure_ascii=False) + "\n")

    assert json.loads(SNAPSHOT.read_text()) == openapi, (
        "The API has changed. If that is meant, run RENEW_SNAPSHOTS=1 .venv/bin/pytest "
        "tests/dialects/astra/test_openapi.py and commit openapi.json."
    )


def test_a_task_has_the_members_of_the_vendors_schema(openapi: Any) -> None:
    ours = openapi["components"]["schemas"]["Task"]
    theirs = SCHEMA["$defs"]["task"]

    assert set(ours["properties"]) == set(theirs["properties"]) == set(MEMBERS)
    assert set(ours["required"]) == set(theirs["required"])


@pytest.mark.django_db
def test_every_answer_is_as_both_say() -> None:
    caller = Caller()
    for state in State:
        run = factories.run(state, owner=caller.actor)
        assert against("Task", shown(caller, run)) == []

    assert against("Tasks", listed(caller, count="true", limit="3")) == []
    assert against("Tasks", listed(caller, include="id,state")) == []
    refused = caller.get(f"/accounts/{caller.actor.account.pk}/core/v1/tasks?limit=0").json()
    assert against("Problem", valid("problem", refused)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_filter_that_the_document_allows_is_answered(openapi: Any, name: str) -> None:
    pattern = re.compile(query(openapi, "filter")["items"]["pattern"])
    examples = {
        "id": "5d0c9a86-1f0e-4d1e-9f0b-0c3c7a0e6f11",
        "orderHint": "1.5",
        "startTime": "2026-03-01T00:00:00Z",
        "state": "running",
    }
    value = next(v for v in examples.values() if re.fullmatch(FIELDS[name].pattern, v))

    for operator in FIELDS[name].operators:
        test = f"{name} {operator} '{value}'"
        assert pattern.fullmatch(test), test
        assert listed(Caller(), test)["items"] == []


@pytest.mark.parametrize(
    "day", ["2026-02-28", "2024-02-29", "2026-04-30", "2026-12-31", "0001-01-01"]
)
def test_a_day_that_there_is_stands_in_the_document(openapi: Any, day: str) -> None:
    test = f"startTime lt '{day}T23:59:59Z'"

    assert re.search(query(openapi, "filter")["items"]["pattern"], test)


@pytest.mark.parametrize(
    "test",
    [
        "startTime lt '2026-02-29T00:00:00Z'",
        "startTime lt '2026-04-31T00:00:00Z'",
        "startTime lt '0000-01-01T00:00:00Z'",
        "state eq running",
        "state  eq 'running'",
        "id in 'x'",
        "metadataxlabels[*].name eq 'x'",
        "percentDone eq 'x'",
        "state eq 'running',",
        "",
    ],
)
def test_a_filter_that_is_refused_is_none_that_the_document_allows(openapi: Any, test: str) -> None:
    assert not re.search(query(openapi, "filter")["items"]["pattern"], test)


def test_every_reference_leads_somewhere(openapi: Any) -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(openapi)))

    assert named == set(openapi["components"]["schemas"])


def test_it_is_served_as_json_and_yaml() -> None:
    client = Client()

    as_json = client.get("/schema/astra/?format=json")
    as_yaml = client.get("/schema/astra")

    assert (as_json.status_code, as_yaml.status_code) == (200, 200)
    assert json.loads(as_json.content) == json.loads(json.dumps(DOCUMENT))
    assert as_yaml.content.startswith(b"openapi: 3.1.0")


def test_its_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get("/schema/astra/docs/")

    text = page.content.decode()
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert assets
    for asset in assets:
        assert asset.startswith("/static/"), asset
        assert finders.find(asset.removeprefix("/static/")), asset
    assert "/schema/astra" in text
