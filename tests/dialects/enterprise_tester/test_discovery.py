"""The root resource, the catalogue of task types, the system's own data, and unknown paths."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

import backgroundtasks
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db


class TestRoot:
    @pytest.mark.spec("enterprise_tester", "Root resource", "Root Relation: BackgroundTasks")
    @pytest.mark.parametrize("path", ["/api", "/api/", "/API/"])
    def test_lists_the_collections_under_their_relations(self, caller: Caller, path: str) -> None:
        answer = caller.get(path)

        links = {link["Rel"]: link for link in answer.json()["Links"]}
        assert links["BackgroundTasks"] == {
            "Title": "Background Tasks",
            "Href": "http://testserver/api/backgroundtasks",
            "Rel": "BackgroundTasks",
            "Description": "Long running jobs",
            "SupportedHttpMethods": ["GET", "POST"],
            "SupportsOData": True,
            "SupportsTQL": False,
            "Help": "",
        }
        assert {"Projects", "AutomatedTestAssignments", "Search", "SystemInfo"} <= set(links)

    def test_every_link_leads_somewhere(self, caller: Caller) -> None:
        for link in caller.get("/api/").json()["Links"]:
            assert caller.get(link["Href"]).status_code in {200, 403}, link


class TestTypes:
    def test_each_shows_its_parameters_and_whether_the_caller_may_start_it(self) -> None:
        viewer = Caller(factories.actor(role="viewer"))
        member = Caller()

        by_role = {
            name: {
                item["Type"]: item for item in who.get("/api/backgroundtasktypes").json()["Items"]
            }
            for name, who in {"viewer": viewer, "member": member}.items()
        }

        work = by_role["member"]["Work"]
        assert (work["MayStart"], work["Reason"]) == (True, None)
        assert by_role["viewer"]["Work"]["MayStart"] is False
        assert by_role["viewer"]["Work"]["Reason"] == "It needs the role member in the account."
        assert by_role["member"]["NobodysWork"]["MayStart"] is False
        assert work["Description"] == "Do what the parameters order, once"

    def test_parameters_are_json_schema(self, caller: Caller) -> None:
        items = caller.get("/api/backgroundtasktypes").json()["Items"]

        (schema,) = [item["Parameters"] for item in items if item["Type"] == "Work"]

        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert schema["properties"]["Steps"] == {
            "type": "integer",
            "description": "checkpoints to pass, 10 ms each",
            "default": 0,
        }
        assert schema["properties"]["Secret"]["writeOnly"] is True

    def test_the_schema_of_reindex_is_the_contracts(self, caller: Caller) -> None:
        items = caller.get("/api/backgroundtasktypes").json()["Items"]

        (schema,) = [item["Parameters"] for item in items if item["Type"] == "Reindex"]

        assert set(schema["properties"]) == {"Optimize", "ProjectId", "SkipRelationships"}
        assert "required" not in schema


@pytest.mark.spec("enterprise_tester", "System Info", "members")
def test_system_info(caller: Caller) -> None:
    info = caller.get("/api/systeminfo").json()

    assert info["RootUrl"] == "http://testserver/"
    assert info["StaticContentRootUrl"] == "http://testserver/static/"
    assert (info["PackagePathSeparator"], info["TimeZoneId"]) == ("|", "UTC")
    assert info["UtcOffset"] == "+00:00"
    assert info["Version"] == backgroundtasks.VERSION


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())

    assert project["project"]["version"] == backgroundtasks.VERSION


class TestUnknownPaths:
    @pytest.mark.parametrize("path", ["/api/nope", "/api/project/none", "/api/%00", "/API/x/y/z"])
    def test_below_the_api_are_404_in_shape(self, caller: Caller, path: str) -> None:
        answer = caller.get(path)

        assert (answer.status_code, list(answer.json())) == (404, ["Message"])

    def test_elsewhere_are_djangos(self) -> None:
        answer = Client().get("/nope")

        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")

    def test_a_host_that_is_not_ours_is_400_in_shape(self, caller: Caller) -> None:
        answer = caller.get("/api/systeminfo", host="evil.example")

        assert (answer.status_code, list(answer.json())) == (400, ["Message"])

    def test_options_tells_the_methods(self, caller: Caller) -> None:
        answer: Any = caller.call("OPTIONS", "/api/backgroundtasks")

        assert (answer.status_code, answer["Allow"]) == (204, "GET, POST, HEAD, OPTIONS")

    def test_head_is_get_without_a_body(self, caller: Caller) -> None:
        answer = caller.call("HEAD", "/api/systeminfo")

        assert (answer.status_code, answer.content) == (200, b"")
