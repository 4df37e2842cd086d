"""`PerformanceTest` and `/api/diagnostics/performancemeasurement/latest` (section 2.8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks import clock
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db

PATH = "/api/diagnostics/performancemeasurement/latest"


@pytest.fixture
def caller() -> Caller:
    return Caller(factories.actor("admin", is_superuser=True))


def measured(caller: Caller, state: State = State.SUCCEEDED, **report: Any) -> TaskStatus:
    return factories.run(
        state,
        owner=caller.actor,
        task_type="PerformanceTest",
        result={"values": report} if state is State.SUCCEEDED else None,
        position=clock.position(),
    )


@pytest.mark.spec("enterprise_tester", "Diagnostics", "GET")
def test_shows_the_last_report_that_there_is(caller: Caller) -> None:
    measured(caller, Workers=1)
    run = measured(caller, Workers=2, Measurements=[])
    measured(caller, State.FAILED)
    measured(caller, State.RUNNING)

    answer = caller.get(PATH)

    assert answer.status_code == 200
    assert run.finished_at is not None
    assert answer.json() == {
        "MeasuredAt": (run.finished_at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        "Workers": 2,
        "Measurements": [],
        "Self": f"http://testserver{PATH}",
        "Links": [
            {
                "Href": f"http://testserver/api/backgroundtask/performancetest-{run.pk}",
                "Rel": "BackgroundTask",
            }
        ],
    }
    assert not answer.has_header("Content-Disposition")


@pytest.mark.parametrize("said", ["true", "True"])
def test_is_a_file_when_asked_for(caller: Caller, said: str) -> None:
    run = measured(caller)

    answer = caller.get(f"{PATH}?export={said}")

    assert answer["Content-Disposition"] == f'attachment; filename="performance-{run.pk}.json"'
    assert answer.json()["MeasuredAt"]


def test_refuses_another_word(caller: Caller) -> None:
    assert caller.get(f"{PATH}?export=csv").status_code == 403


@pytest.mark.spec("enterprise_tester", "Diagnostics", "404")
def test_is_404_while_there_is_none(caller: Caller) -> None:
    measured(caller, State.FAILED)
    measured(Caller(factories.actor("admin", is_superuser=True)))

    assert caller.get(PATH).status_code == 404


@pytest.mark.spec("enterprise_tester", "Diagnostics", "403")
def test_is_for_operators(caller: Caller) -> None:
    member = Caller(factories.actor("admin", caller.actor.account))
    measured(caller)

    for answer in (
        member.get(PATH),
        member.post("/api/backgroundtasks", {"Type": "PerformanceTest"}),
        member.post("/api/backgroundtasks", {"Type": "PerformanceProbe"}),
    ):
        assert answer.status_code == 403
        assert "an operator of the installation" in answer.json()["Message"]


@pytest.mark.parametrize(
    "given, text",
    [
        ({"Submissions": 0}, "Submissions: Ensure this value is greater"),
        ({"Submissions": 1_001}, "Submissions: Ensure this value is less"),
        ({"PickUps": "x"}, "PickUps: A valid integer is required."),
        ({"PickUps": 51}, "PickUps: Ensure this value is less"),
        ({"Searches": 201}, "Searches: Ensure this value is less"),
        ({"Speed": 9}, "Speed: There is no parameter of this name."),
    ],
)
def test_refuses_what_is_out_of_bounds(caller: Caller, given: dict[str, Any], text: str) -> None:
    answer = caller.post("/api/backgroundtasks", {"Type": "PerformanceTest", "Parameters": given})

    assert answer.status_code == 403
    assert text in answer.json()["Message"]


def test_starts_without_parameters(caller: Caller) -> None:
    assert caller.start("PerformanceTest")["Id"].startswith("performancetest-")
    queued = TaskStatus.objects.get()
    assert queued.queued_at > clock.now() - timedelta(minutes=1)
