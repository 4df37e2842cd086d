"""Identical submissions at one moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from backgroundtasks.models import IdempotencyKey, Task, TaskStatus
from tests.support.http import Caller

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = 4
ROUNDS = 10


def at_one_moment(caller: Caller, headers: Any) -> list[list[Any]]:
    """Send the same submission from several threads at once, round after round."""
    gates = [threading.Barrier(CALLERS) for _ in range(ROUNDS)]
    rounds: list[list[Any]] = [[] for _ in range(ROUNDS)]

    def send() -> None:
        client = Caller(caller.actor, authorization=caller.headers["authorization"])
        for number, gate in enumerate(gates):
            gate.wait(20)
            answer = client.post("/api/backgroundtasks", {"Type": "Work"}, **headers(number))
            rounds[number].append(answer)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return rounds


def test_with_one_key_they_are_one_run() -> None:
    rounds = at_one_moment(Caller(), lambda number: {"idempotency_key": f"key {number}"})

    for answers in rounds:
        assert [answer.status_code for answer in answers] == [202] * CALLERS
        assert len({answer["Location"] for answer in answers}) == 1
    assert TaskStatus.objects.count() == ROUNDS
    assert Task.objects.count() == ROUNDS
    assert IdempotencyKey.objects.count() == ROUNDS


def test_without_a_key_each_is_a_run_of_its_own() -> None:
    rounds = at_one_moment(Caller(), lambda _number: {})

    locations = {answer["Location"] for answers in rounds for answer in answers}
    assert len(locations) == TaskStatus.objects.count() == CALLERS * ROUNDS
