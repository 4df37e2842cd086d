"""P2: of claims at one moment one wins."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from backgroundtasks.lifecycle import arrows, store
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 8
# Tried against a claim that reads, then writes without a guard: see
# `test_would_catch_a_claim_that_reads_and_then_writes`.
ROUNDS = 25
MINUTE = timedelta(minutes=1)


def _claim(token: int) -> list[UUID]:
    claim = store().claim("default", most=1, token=token, worker_id=uuid.uuid4(), lease=MINUTE)
    return [run.id for run in claim.runs]


def _broken_claim(token: int) -> list[UUID]:
    """Read what is queued, then take it: the bug that the test is for."""
    found = list(TaskStatus.objects.filter(state=State.QUEUED).values_list("pk", flat=True)[:1])
    TaskStatus.objects.filter(pk__in=found).update(state=State.RUNNING, token=token)
    return found


def _race(claim: object) -> Counter[UUID]:
    """Let all workers claim one queued run at one moment, round after round."""
    claimed: Counter[UUID] = Counter()
    gates = [threading.Barrier(WORKERS, action=factories_run) for _ in range(ROUNDS)]

    def work(number: int) -> None:
        try:
            for gate in gates:
                gate.wait(timeout=30)
                for run_id in claim(number):  # type: ignore[operator]
                    claimed[run_id] += 1
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return claimed


def factories_run() -> None:
    factories.run()


def test_of_eight_claims_at_one_moment_one_wins() -> None:
    claimed = _race(_claim)

    assert set(claimed.values()) == {1}
    assert claimed.keys() == set(
        TaskStatus.objects.filter(state=State.RUNNING).values_list("pk", flat=True)
    )
    assert set(
        TaskStatus.objects.exclude(state=State.QUEUED).values_list("attempt", flat=True)
    ) == {1}


def test_would_catch_a_claim_that_reads_and_then_writes() -> None:
    assert max(_race(_broken_claim).values()) > 1


def test_batches_at_one_moment_share_the_queue_without_a_run_in_two() -> None:
    account = factories.actor()
    ids = {factories.run(owner=account, batchable=True).pk for _ in range(200)}
    taken: list[UUID] = []
    gate = threading.Barrier(WORKERS)

    def work(number: int) -> None:
        try:
            gate.wait(timeout=30)
            empty = 0
            while empty < 20:
                claim = store().claim(
                    "default", most=7, token=number, worker_id=uuid.uuid4(), lease=MINUTE
                )
                empty = 0 if claim.runs else empty + 1
                taken.extend(run.id for run in claim.runs)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken))
    assert set(taken) == ids


def test_of_promotions_and_claims_at_one_moment_no_run_goes_back() -> None:
    taken: Counter[UUID] = Counter()
    owner = factories.actor()
    gates = [
        threading.Barrier(4, action=lambda: factories.run(State.SCHEDULED, owner=owner) and None)
        for _ in range(ROUNDS)
    ]

    def work(number: int) -> None:
        try:
            for gate in gates:
                gate.wait(timeout=30)
                arrows.promote_due()
                for run_id in _claim(number):
                    taken[run_id] += 1
                arrows.promote_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(taken.values()) == {1}
