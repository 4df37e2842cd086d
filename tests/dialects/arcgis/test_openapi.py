"""The OpenAPI document: as committed, with every path and method, served with a page of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from backgroundtasks.api.arcgis.openapi import document
from backgroundtasks.api.arcgis.resources import RESOURCES
from tests.support.arcgis import ROOT, SHARING

SNAPSHOT = Path(__file__).with_name("openapi.json")


@pytest.fixture
def openapi() -> Any:
    return json.loads(json.dumps(document()))


def test_it_is_as_committed(openapi: Any) -> None:
    """Renew it: RENEW_SNAPSHOTS=1 .venv/bin/pytest tests/dialects/arcgis/test_openapi.py."""
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(openapi, indent=1, ensure_ascii=False) + "\n")

    assert json.loads(SNAPSHOT.read_text()) == openapi, (
        "The API has changed. If that is meant, run RENEW_SNAPSHOTS=1 .venv/bin/pytest "
        "tests/dialects/arcgis/test_openapi.py and commit openapi.json."
    )


def test_it_has_every_resource_and_operation_with_both_methods(openapi: Any) -> None:
    paths = [f"{ROOT}/{one.path}".rstrip("/") for one in RESOURCES]
    paths += [f"{ROOT}/{one.path}/{done.name}" for one in RESOURCES for done in one.operations]
    named = {re.sub(r"<\w+:(\w+)>", r"{\1}", path) for path in paths}
    sharing = ("", "/generateToken", "/info", "/portals/self", "/community/self")
    named |= {f"{SHARING}{path}" for path in (*sharing, "/community/users/{username}")}

    assert set(openapi["paths"]) == named
    assert all(set(methods) == {"get", "post"} for methods in openapi["paths"].values())


def test_every_reference_leads_somewhere(openapi: Any) -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(openapi)))

    assert named == set(openapi["components"]["schemas"])


def test_every_operation_has_a_name_of_its_own(openapi: Any) -> None:
    names = [
        operation["operationId"]
        for methods in openapi["paths"].values()
        for operation in methods.values()
    ]

    assert len(set(names)) == len(names)


def test_it_is_served_as_json_and_yaml() -> None:
    as_json = Client().get("/schema/arcgis/?format=json")
    as_yaml = Client().get("/schema/arcgis")

    assert (as_json.status_code, as_yaml.status_code) == (200, 200)
    assert json.loads(as_json.content) == json.loads(json.dumps(document()))
    assert as_yaml.content.startswith(b"openapi: 3.1.0")


def test_its_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get("/schema/arcgis/docs/")

    text = page.content.decode()
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert assets
    for asset in assets:
        assert asset.startswith("/static/"), asset
        assert finders.find(asset.removeprefix("/static/")), asset
    assert "/schema/arcgis" in text
