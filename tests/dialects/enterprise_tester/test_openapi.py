"""The OpenAPI document: complete, valid, as committed, and served with a page of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import get_resolver

from backgroundtasks.api.enterprise_tester.schema_views import document

SNAPSHOT = Path(__file__).with_name("openapi.json")
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def openapi() -> Any:
    return json.loads(json.dumps(document()))


def test_it_is_as_committed(openapi: Any) -> None:
    """Renew it: RENEW_SNAPSHOTS=1 .venv/bin/pytest tests/dialects/enterprise_tester/test_openapi.py."""
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(openapi, indent=1, ensure_ascii=False) + "\n")

    assert json.loads(SNAPSHOT.read_text()) == openapi, (
        "The API has changed. If that is meant, run RENEW_SNAPSHOTS=1 .venv/bin/pytest "
        "tests/dialects/enterprise_tester/test_openapi.py and commit openapi.json."
    )


def test_every_method_of_every_resource_is_in_it(openapi: Any) -> None:
    missing = []
    for pattern in _patterns(get_resolver().url_patterns):
        path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        view = getattr(pattern.callback, "cls", None)
        if view is None or not path.startswith("/api"):
            continue
        missing += [
            f"{method.upper()} {path}"
            for method in METHODS
            if hasattr(view, method) and method not in openapi["paths"].get(path, {})
        ]

    assert missing == []


def test_every_reference_leads_somewhere(openapi: Any) -> None:
    text = json.dumps(openapi)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))

    assert named == set(openapi["components"]["schemas"])


def test_every_operation_has_a_name_of_its_own_and_a_summary(openapi: Any) -> None:
    operations = [
        operation
        for path in openapi["paths"].values()
        for method, operation in path.items()
        if method in METHODS
    ]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


def test_it_is_served_as_json_and_yaml() -> None:
    client = Client()

    as_json = client.get("/schema/enterprise_tester/?format=json")
    as_yaml = client.get("/Schema/enterprise_tester")

    assert (as_json.status_code, as_yaml.status_code) == (200, 200)
    assert json.loads(as_json.content)["openapi"] == "3.1.0"
    assert as_yaml.content.startswith(b"openapi: 3.1.0")


def test_its_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get("/schema/enterprise_tester/docs/")

    text = page.content.decode()
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert assets
    for asset in assets:
        assert asset.startswith("/static/"), asset
        assert finders.find(asset.removeprefix("/static/")), asset
    assert not re.search(r"https?://(?!testserver)", text.replace("http://www.w3.org", ""))
    assert "/schema/enterprise_tester" in text


def _patterns(patterns: Any) -> Any:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern
