"""Pause and resume, as Enterprise Tester's clients get them; and which types can be paused."""

from __future__ import annotations

import pytest

from backgroundtasks.models import Message, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.http import Caller

pytestmark = pytest.mark.django_db


def in_state(caller: Caller, state: State, task_type: str = "PausableWork") -> TaskStatus:
    return factories.run(state, owner=caller.actor, task_type=task_type)


def path_of(run: TaskStatus, deed: str) -> str:
    return f"/api/backgroundtask/{run.task_type.lower()}-{run.pk}/{deed}"


@pytest.mark.parametrize(
    "state, deed, then",
    [
        (State.RUNNING, "pause", State.PAUSING),
        (State.WAITING, "pause", State.PAUSED),
        (State.PAUSING, "pause", State.PAUSING),
        (State.PAUSED, "pause", State.PAUSED),
        (State.PAUSED, "resume", State.QUEUED),
        (State.PAUSING, "resume", State.RUNNING),
    ],
)
def test_a_task_pauses_and_goes_on(caller: Caller, state: State, deed: str, then: State) -> None:
    run = in_state(caller, state)

    answer = caller.post(path_of(run, deed))

    assert (answer.status_code, answer.json()["State"]) == (200, then)
    assert answer.json()["Complete"] is False
    assert "Error" not in answer.json()
    assert caller.get(answer.json()["Self"]).json() == answer.json()


@pytest.mark.parametrize(
    "state, deed",
    [
        *((state, "pause") for state in (*FINAL, State.QUEUED, State.SCHEDULED, State.CANCELLING)),
        *((state, "resume") for state in (*FINAL, State.QUEUED, State.RUNNING, State.WAITING)),
    ],
)
def test_in_another_state_it_is_409_and_changes_nothing(
    caller: Caller, state: State, deed: str
) -> None:
    run = in_state(caller, state)

    answer = caller.post(path_of(run, deed))

    assert (answer.status_code, list(answer.json())) == (409, ["Message"])
    assert TaskStatus.objects.get(pk=run.pk).state == state
    assert not Message.objects.exists()


def test_a_type_without_safe_checkpoints_is_409_with_the_reason(caller: Caller) -> None:
    run = in_state(caller, State.RUNNING, "Work")

    answer = caller.post(path_of(run, "pause"))

    assert answer.status_code == 409
    assert "Work cannot be paused while it runs" in answer.json()["Message"]
    assert TaskStatus.objects.get().state == State.RUNNING


def test_the_catalogue_says_which_types_can_be_paused(caller: Caller) -> None:
    types = caller.get("/api/backgroundtasktypes").json()["Items"]

    pausable = {one["Type"]: one["Pausable"] for one in types}
    assert (pausable["PausableWork"], pausable["Work"]) == (True, False)


@pytest.mark.parametrize("deed, state", [("pause", State.RUNNING), ("resume", State.PAUSED)])
class TestWhoMay:
    def test_a_viewer_is_refused(self, caller: Caller, deed: str, state: State) -> None:
        viewer = Caller(factories.actor("viewer", account=caller.actor.account))
        run = in_state(caller, state)

        assert viewer.post(path_of(run, deed)).status_code == 403
        assert TaskStatus.objects.get().state == state

    def test_a_foreign_or_hidden_run_is_404(self, caller: Caller, deed: str, state: State) -> None:
        colleague = factories.actor(account=caller.actor.account)
        runs = [
            factories.run(state),
            factories.run(state, owner=colleague, task_type="OwnersWork"),
        ]

        for run in runs:
            answer = caller.post(path_of(run, deed))
            assert (answer.status_code, list(answer.json())) == (404, ["Message"])

    def test_other_methods_are_405(self, caller: Caller, deed: str, state: State) -> None:
        answer = caller.get(path_of(in_state(caller, state), deed))

        assert (answer.status_code, answer["Allow"]) == (405, "POST, OPTIONS")
