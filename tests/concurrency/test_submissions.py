"""Submissions at one moment: of the same thing one is made, and the others learn of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import exceptions, operations
from backgroundtasks.models import IdempotencyKey, Task, TaskStatus
from backgroundtasks.operations import Idempotency
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 6
# Tried against an `_guard_exclusive` without its lock: caught in 5 of 5 executions.
ROUNDS = 15


def at_one_moment(do: Callable[[int], Any]) -> list[list[Any]]:
    """Call `do(round)` from all threads at once, round after round; return what each gave."""
    gates = [threading.Barrier(THREADS) for _ in range(ROUNDS)]
    given: list[list[Any]] = [[] for _ in gates]

    def run() -> None:
        try:
            for number, gate in enumerate(gates):
                gate.wait(timeout=30)
                try:
                    answer = do(number)
                except exceptions.TaskCenterError as refusal:
                    answer = refusal
                given[number].append(answer)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


@pytest.mark.parametrize("task_type", ["Work", "OneAtATime"])
def test_of_one_idempotency_key_one_run_is_made_and_nothing_is_left_behind(task_type: str) -> None:
    actor = factories.actor()

    given = at_one_moment(
        lambda number: operations.submit(
            actor,
            task_type,
            {"Key": str(number)},
            idempotency=Idempotency(key=str(number), route="POST /x", digest="d" * 64),
        )
    )

    assert [len(answers) for answers in given] == [THREADS] * ROUNDS
    for answers in given:
        assert len({answer.run_id for answer in answers}) == 1
        assert sum(answer.created for answer in answers) == 1
    assert TaskStatus.objects.count() == Task.objects.count() == ROUNDS
    assert IdempotencyKey.objects.count() == ROUNDS


def test_of_one_exclusive_key_one_run_is_made_where_a_second_is_refused() -> None:
    actor = factories.actor()

    given = at_one_moment(
        lambda number: operations.submit(actor, "OneAtATime", {"Key": str(number)})
    )

    for answers in given:
        refused = [a for a in answers if isinstance(a, exceptions.ExclusiveRunExists)]
        assert (len(answers), len(refused)) == (THREADS, THREADS - 1)
    assert TaskStatus.objects.count() == Task.objects.count() == ROUNDS
