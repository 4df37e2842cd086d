"""A closed installation answers in the shape of whose path it is, without asking the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backgroundtasks import closed

# No test here may use the database: the fixture is missing on purpose.


@pytest.fixture(autouse=True)
def is_closed(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.TASKCENTER = {**settings.TASKCENTER, "MAINTENANCE_DIR": str(tmp_path)}
    closed.close("A backup comes back.")
    yield
    closed.reopen()


TEXT = "Closed for maintenance. A backup comes back."


@pytest.mark.parametrize("method", ["get", "post"])
def test_enterprise_tester_says_it_as_a_message(method: str) -> None:
    answer = getattr(Client(), method)("/api/backgroundtasks")

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json()["Message"] == TEXT


def test_sailpoint_says_it_with_a_code_and_messages() -> None:
    answer = Client().get("/v2025/task-status")

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json()["messages"][0]["text"] == TEXT


def test_astra_says_it_as_a_problem() -> None:
    account = "3b0f5b0e-6c0a-4c53-9d0e-7a2f4f7a5a10"
    answer = Client().get(f"/accounts/{account}/core/v1/tasks")

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == TEXT


@pytest.mark.parametrize("method", ["get", "post"])
def test_arcgis_says_it_with_200_as_its_clients_repeat_a_503(method: str) -> None:
    answer = getattr(Client(), method)("/arcgis/admin/system/tasks", {"f": "json"})

    assert answer.status_code == 200
    assert answer.json() == {"error": {"code": 503, "message": TEXT, "details": []}}


def test_arcgis_directory_has_a_page_for_it() -> None:
    page = Client().get("/arcgis/admin/system/tasks")

    assert page.status_code == 503
    assert TEXT in page.content.decode()
    assert Client().post("/arcgis/admin/system/tasks").status_code < 429


def test_everywhere_else_it_is_an_object() -> None:
    answer = Client().get("/admin/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json()["error"] == {"code": "closed", "message": TEXT}
    assert answer["Cache-Control"] == "no-store"
