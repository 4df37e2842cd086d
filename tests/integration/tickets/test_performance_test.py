"""What a performance test measures, and what it starts for that."""

from __future__ import annotations

import time
from typing import Any

import pytest

from backgroundtasks.handlers import Actor, Outcome
from backgroundtasks.handlers.testing import Performed, perform
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from indexing import documents
from tests.support import factories
from tests.support.projects import AutomatedTestFactory
from tickets.handlers.performance_probe import PerformanceProbe
from tickets.handlers.performance_test import PerformanceTest, measured
from tickets.models import AutomatedTest

pytestmark = pytest.mark.django_db

FEW = {"Submissions": 3, "PickUps": 2, "Searches": 1}


@pytest.fixture
def operator() -> Actor:
    return factories.actor("admin", is_superuser=True)


def attempted(operator: Actor, memory: dict[str, Any] | None = None, *ended: str) -> Performed:
    return perform(
        PerformanceTest,
        FEW,
        user=operator.user,
        account_id=operator.account.pk,
        memory=memory,
        children={key: Outcome({"Began": time.time()}) for key in ended},
    )


def done(operator: Actor) -> Performed:
    """Play the worker: as many attempts as there are waits."""
    run = attempted(operator)
    ended: list[str] = []
    while run.state == State.WAITING:
        ended += [child.key for child in run.children]
        run = attempted(operator, run.memory, *ended)
    return run


class TestPerformanceTest:
    def test_measures_what_it_names(self, operator: Actor) -> None:
        test = AutomatedTestFactory.create(project__account=operator.account)
        documents.index(AutomatedTest, [test.pk])

        run = done(operator)

        assert run.state == State.SUCCEEDED
        assert (run.result["Documents"], run.result["Workers"]) == (1, 0)
        found = {one["Name"]: one for one in run.result["Measurements"]}
        assert list(found) == [
            "Submission",
            "Pick-up",
            "Runs done",
            "Progress calls",
            "Stored progress",
            "Database round trip",
            "Search by a word",
            "Search by type, newest first",
        ]
        assert (found["Submission"]["Samples"], found["Pick-up"]["Samples"]) == (3, 2)
        for one in found.values():
            if one["Unit"] == "ms":
                assert 0 <= one["Lowest"] <= one["Median"] <= one["P95"] <= one["Highest"]
        assert found["Progress calls"]["Rate"] > 0
        assert run.progress is not None
        assert run.progress[0] == run.progress[1] == 3 + 2 + 2 + 2

    def test_lets_go_of_its_worker_for_each_probe(self, operator: Actor) -> None:
        first = attempted(operator)

        assert first.state == State.WAITING
        [child] = first.children
        assert (child.key, child.task_type) == ("pick-up 0", "PerformanceProbe")
        second = attempted(operator, first.memory, "pick-up 0")
        assert [child.key for child in second.children] == ["pick-up 1"]

    def test_submits_as_its_owner_once(self, operator: Actor) -> None:
        done(operator)

        runs = TaskStatus.objects.filter(task_type="PerformanceProbe")
        assert runs.count() == 3
        assert {run.owner for run in runs} == {operator.user}
        assert all(run.task.labels["performancetest"] for run in runs)

    def test_says_when_its_owner_is_gone(self) -> None:
        run = perform(
            PerformanceTest,
            FEW,
            memory={"submitted": {"pick-up 0": 0, "pick-up 1": 0}},
            children={f"pick-up {n}": Outcome({"Began": 1.0}) for n in range(2)},
        )

        assert run.error.startswith("The task's owner is gone")


def test_a_probe_says_when_it_began() -> None:
    before = time.time()

    run = perform(PerformanceProbe)

    assert before <= run.result["Began"] <= time.time()


def test_samples_are_summed_up_in_milliseconds() -> None:
    assert measured("x", [0.004, 0.001, 0.002]) == {
        "Name": "x",
        "Unit": "ms",
        "Samples": 3,
        "Lowest": 1.0,
        "Median": 2.0,
        "P95": 4.0,
        "Highest": 4.0,
    }
