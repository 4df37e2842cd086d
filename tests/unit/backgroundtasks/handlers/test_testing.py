"""`handlers.testing.perform`: what a handler's author sees in a test."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from rest_framework import serializers

from backgroundtasks.exceptions import NotPausable, ParametersInvalid
from backgroundtasks.handlers import Outcome, SecretField, TaskContext, TaskFailed, TaskHandler
from backgroundtasks.handlers.testing import Said, perform
from backgroundtasks.states import State


class Steps(TaskHandler):
    """Not registered: it names no task type."""

    class Parameters(serializers.Serializer[Any]):
        Steps = serializers.IntegerField(default=3)
        Day = serializers.DateField(required=False)
        Secret = SecretField(required=False)
        Fail = serializers.CharField(required=False)
        Temporary = serializers.BooleanField(default=False)
        Warn = serializers.CharField(required=False)
        Crash = serializers.BooleanField(default=False)
        Unstorable = serializers.BooleanField(default=False)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome | None:
        for step in range(context.memory.get("step", 0), parameters["Steps"]):
            context.checkpoint(safe=True)
            context.progress(step + 1, parameters["Steps"], f"step {step}")
            context.remember(step=step + 1)
        context.message("info", "steps.done", "Done.", steps=parameters["Steps"])
        if "Fail" in parameters:
            raise TaskFailed(parameters["Fail"], temporary=parameters["Temporary"])
        if parameters["Crash"]:
            raise ZeroDivisionError
        if parameters["Unstorable"]:
            return Outcome(result={"Day": date(2026, 2, 3)})
        if "Day" in parameters:
            return Outcome(result={"Day": parameters["Day"].isoformat()})
        if "Secret" in parameters:
            return Outcome(result={"Length": len(parameters["Secret"])})
        return Outcome(warnings=[parameters["Warn"]]) if "Warn" in parameters else None


def test_a_good_end() -> None:
    run = perform(Steps)

    assert run.state == State.SUCCEEDED
    assert run.progress == (3, 3, "step 2")
    assert run.messages == [Said("info", "steps.done", "Done.", {"steps": 3})]
    assert run.result == {}
    assert run.error == ""


def test_parameters_go_the_whole_way() -> None:
    assert perform(Steps, {"Day": "2026-02-03"}).result == {"Day": "2026-02-03"}
    assert perform(Steps, {"Secret": "hunter2"}).result == {"Length": 7}


def test_warnings() -> None:
    run = perform(Steps, {"Warn": "Careful."})

    assert run.state == State.WARNED
    assert run.warnings == ["Careful."]


@pytest.mark.parametrize("temporary", [True, False])
def test_a_clear_failure(temporary: bool) -> None:
    run = perform(Steps, {"Fail": "Disk full.", "Temporary": temporary})

    assert run.state == State.FAILED
    assert run.error == "Disk full."
    assert run.temporary is temporary


@pytest.mark.parametrize("passed", [0, 1, 2])
def test_cancels_after_so_many_checkpoints(passed: int) -> None:
    run = perform(Steps, cancel_after=passed)

    assert run.state == State.CANCELLED
    assert run.progress == ((passed, 3, f"step {passed - 1}") if passed else None)


def test_goes_on_where_a_stopped_worker_left_it() -> None:
    first = perform(Steps, stop_after=2)
    second = perform(Steps, attempt=2, memory=first.memory)

    assert first.state == State.QUEUED
    assert first.memory == {"step": 2}
    assert second.state == State.SUCCEEDED
    assert second.progress == (3, 3, "step 2")


def test_pauses_where_the_handler_says_that_it_may() -> None:
    class Pausable(Steps):
        pausable = True

    first = perform(Pausable, pause_after=2)
    second = perform(Pausable, attempt=2, memory=first.memory)

    assert (first.state, first.memory) == (State.PAUSED, {"step": 2})
    assert second.state == State.SUCCEEDED
    with pytest.raises(NotPausable):
        perform(Steps, pause_after=2)


class Parent(TaskHandler):
    """Not registered: it names no task type."""

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        for key in ("a", "b"):
            context.start_child("Noop", key=key, title=key.upper(), labels={"l": key})
        children = context.wait_for_children()
        context.start_child("Noop", key="after")
        return Outcome(
            result={child.key: [child.state, child.error, child.task_type] for child in children}
        )


def test_children_are_written_down_and_waited_for() -> None:
    run = perform(Parent)

    assert run.state == State.WAITING
    assert [(c.key, c.task_type, c.parameters, c.title, c.labels) for c in run.children] == [
        ("a", "Noop", {}, "A", {"l": "a"}),
        ("b", "Noop", {}, "B", {"l": "b"}),
    ]


def test_children_end_as_the_test_says() -> None:
    run = perform(
        Parent,
        attempt=2,
        children={"a": Outcome(warnings=["Careful."]), "b": TaskFailed("No.")},
    )

    assert run.state == State.SUCCEEDED
    assert run.result == {"a": ["warned", "", "Noop"], "b": ["failed", "No.", "Noop"]}
    assert [child.key for child in run.children] == ["after"]


def test_refuses_a_child_that_a_submission_would_refuse() -> None:
    class Careless(TaskHandler):
        def perform(self, context: TaskContext, parameters: dict[str, Any]) -> None:
            context.start_child("Work", {"Bogus": 1}, key="a")

    with pytest.raises(ParametersInvalid):
        perform(Careless)


def test_an_accident_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        perform(Steps, {"Crash": True})


def test_refuses_what_a_submission_would_refuse() -> None:
    with pytest.raises(ParametersInvalid):
        perform(Steps, {"Stops": 3})


def test_refuses_a_result_that_cannot_be_stored() -> None:
    with pytest.raises(TypeError):
        perform(Steps, {"Unstorable": True})
