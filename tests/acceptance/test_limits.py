"""P6, P7: timeouts and cancels are kept, also by work that does not look."""

from __future__ import annotations

import pytest

from backgroundtasks import exceptions, operations
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


def _end(run_id: object) -> TaskStatus:
    return wait_for(
        lambda: TaskStatus.objects.filter(pk=run_id, state__in=FINAL).first(), "the run to end"
    )


def _wait_until_running(run_id: object) -> None:
    wait_for(
        lambda: TaskStatus.objects.filter(pk=run_id, state=State.RUNNING).exists(),
        "the run to start",
    )


@pytest.mark.parametrize(
    "orders",
    [
        pytest.param({"Steps": 100_000}, id="at a checkpoint"),
        pytest.param({"Sleep": 60}, id="asleep"),
        pytest.param({"Block": 60}, id="blocking all threads in C"),
        pytest.param({"Steps": 100_000, "Swallow": True}, id="swallowing the interruption"),
    ],
)
def test_a_timeout_is_kept_and_the_worker_is_replaced(orders: dict[str, object]) -> None:
    actor = factories.actor()
    with WorkerCommand(workers=1):
        submission = operations.submit(actor, "QuickTimeout", orders)
        run = _end(submission.run_id)
        after = operations.submit(actor, "Work", {})

        assert run.state == State.FAILED
        assert run.error == "Timed out after 1 s."
        assert _end(after.run_id).state == State.SUCCEEDED


def test_a_running_run_is_cancelled_at_its_next_checkpoint() -> None:
    actor = factories.actor()
    with WorkerCommand():
        submission = operations.submit(actor, "Work", {"Steps": 100_000})
        _wait_until_running(submission.run_id)

        assert operations.cancel(actor, submission.run_id) is State.CANCELLING
        run = _end(submission.run_id)

    assert run.state == State.CANCELLED
    assert run.attempt == 1
    assert 0 < run.processed < run.total


@pytest.mark.parametrize("orders", [{"Sleep": 60}, {"Steps": 100_000, "Swallow": True}])
def test_a_run_that_does_not_heed_a_cancel_is_cancelled_by_force(orders: dict[str, object]) -> None:
    actor = factories.actor()
    with WorkerCommand(workers=1):
        submission = operations.submit(actor, "Work", orders)
        _wait_until_running(submission.run_id)
        operations.cancel(actor, submission.run_id)
        run = _end(submission.run_id)
        after = operations.submit(actor, "Work", {})

        assert run.state == State.CANCELLED
        assert "by force" in run.error
        assert _end(after.run_id).state == State.SUCCEEDED


def test_of_cancel_and_finish_one_wins_and_the_answer_says_which() -> None:
    actor = factories.actor()
    with WorkerCommand():
        for _ in range(40):
            submission = operations.submit(actor, "Work", {})
            try:
                answer = operations.cancel(actor, submission.run_id)
            except exceptions.TransitionRefused as refusal:
                assert refusal.found == State.SUCCEEDED  # noqa: PT017 - either may win
                answer = State.SUCCEEDED
            state = _end(submission.run_id).state
            if answer is State.CANCELLING:
                assert state in {State.CANCELLED, State.SUCCEEDED}
            else:
                assert state == answer


def test_a_message_in_a_handlers_transaction_does_not_cost_the_run_its_lease() -> None:
    actor = factories.actor()
    with WorkerCommand(workers=1, LEASE=2.0):
        submission = operations.submit(actor, "Work", {"Transaction": 4})
        run = _end(submission.run_id)

    assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    assert [m.text for m in run.messages.all()] == ["Said in a transaction."]
