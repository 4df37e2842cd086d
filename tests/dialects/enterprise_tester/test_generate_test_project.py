"""`GenerateTestProject` (section 2.8): what it takes, and what its finished task shows."""

from __future__ import annotations

from typing import Any

import pytest

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import ProjectFactory

pytestmark = pytest.mark.django_db


def refused(caller: Caller, **parameters: Any) -> str:
    start = {"Type": "GenerateTestProject", "Parameters": parameters}
    answer = caller.post("/api/backgroundtasks", start)
    assert answer.status_code == 403, answer.content
    assert not TaskStatus.objects.exists()
    text: str = answer.json()["Message"]
    return text


def test_needs_no_parameter(caller: Caller) -> None:
    assert caller.start("GenerateTestProject")["Id"].startswith("generatetestproject-")


@pytest.mark.parametrize(
    "given, text",
    [
        ({"Name": ""}, "Name: This field may not be blank."),
        ({"Name": "x" * 256}, "Name: Ensure this field has no more than 255 characters."),
        ({"Seed": -1}, "Seed: Ensure this value is greater than or equal to 0."),
        ({"Seed": 2**53 + 1}, "Seed: Ensure this value is less than"),
        ({"Seed": "x"}, "Seed: A valid integer is required."),
        ({"Packages": 0}, "Packages: Ensure this value is greater than or equal to 1."),
        ({"Packages": 10_001}, "Packages: Ensure this value is less than"),
        ({"AutomatedTests": -1}, "AutomatedTests: Ensure this value is greater"),
        ({"RunsPerTest": 1_001}, "RunsPerTest: Ensure this value is less than"),
        ({"ResultsPerRun": 2_001}, "ResultsPerRun: Ensure this value is less than"),
        ({"Scripts": 100_001}, "Scripts: Ensure this value is less than"),
        ({"AgileRuns": None}, "AgileRuns: This field may not be null."),
        ({"Incidents": 1.5}, "Incidents: A valid integer is required."),
        ({"Until": "yesterday"}, "Until: Datetime has wrong format."),
        ({"Until": "1066-10-14T09:00:00Z"}, "Until: From 1980 to 8999."),
        (
            {"AutomatedTests": 100_000, "RunsPerTest": 1_000},
            "AutomatedTests: These are 2,200,200,303 entities in all; a project may have 10,000,000.",
        ),
        ({"Colour": "red"}, "Colour: There is no parameter of this name."),
    ],
)
def test_refuses_what_is_out_of_bounds(caller: Caller, given: dict[str, Any], text: str) -> None:
    assert text in refused(caller, **given)


def test_refuses_a_name_that_is_taken(caller: Caller) -> None:
    ProjectFactory.create(name="Foreign")
    ProjectFactory.create(name="Shop", account=caller.actor.account)

    assert refused(caller, Name="SHOP") == "A project named 'SHOP' exists already."
    assert caller.start("GenerateTestProject", Name="Foreign")


def test_takes_a_member() -> None:
    assert "the role member" in refused(Caller(factories.actor("viewer")))


def test_leads_to_the_project_when_it_is_done(caller: Caller) -> None:
    project = ProjectFactory.create(account=caller.actor.account)
    run = factories.run(
        State.SUCCEEDED,
        owner=caller.actor,
        task_type="GenerateTestProject",
        result={"values": {"ProjectId": str(project.pk), "Entities": 9}},
    )

    found = caller.get(f"/api/backgroundtask/generatetestproject-{run.pk}").json()

    assert found["ProjectId"] == str(project.pk)
    assert found["Links"] == [
        {"Href": f"http://testserver/api/project/{project.pk}", "Rel": "Project"}
    ]
