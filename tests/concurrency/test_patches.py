"""SailPoint's PATCH at one moment with others and with the worker's end: one wins, all are told."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from backgroundtasks.lifecycle import store
from backgroundtasks.lifecycle.rows import Finish
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller
from tests.support.sailpoint import days_ago

__all__ = ["days_ago"]

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10
#: Not SUCCESS: asking for what the worker has done already changes nothing, and is answered 200.
WORDS = {"TEMPERROR": State.FAILED, "ERROR": State.FAILED, "WARNING": State.WARNED}


def test_one_of_three_patches_and_a_finishing_worker_wins_and_the_others_are_told() -> None:
    me = Caller()
    runs = [factories.run(State.RUNNING, owner=me.actor) for _ in range(ROUNDS)]
    gates = [threading.Barrier(len(WORDS) + 1) for _ in runs]
    told: list[dict[str, Any]] = [{} for _ in runs]
    ended: list[bool] = []

    def patch(word: str) -> None:
        body = json.dumps([{"op": "replace", "path": "/completionStatus", "value": word}])
        caller = Caller(me.actor)
        try:
            for number, run in enumerate(runs):
                gates[number].wait(30)
                told[number][word] = caller._client.patch(
                    f"/task-status/v1/{run.pk.hex}",
                    body,
                    content_type="application/json-patch+json",
                    headers=caller.headers,
                )
        finally:
            connection.close()

    def finish() -> None:
        try:
            for number, run in enumerate(runs):
                end = Finish(
                    run_id=run.pk,
                    attempt=1,
                    state=State.SUCCEEDED,
                    result={"values": {"by": "worker"}, "warnings": []},
                    processed=0,
                    total=0,
                    text="",
                    retention=timedelta(days=1),
                )
                gates[number].wait(30)
                ended.append(bool(store().finish([end], token=7)))
        finally:
            connection.close()

    threads = [threading.Thread(target=patch, args=[word]) for word in WORDS]
    threads.append(threading.Thread(target=finish))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(ended) == ROUNDS
    for number, run in enumerate(runs):
        stored = TaskStatus.objects.get(pk=run.pk)
        won = [word for word, answer in told[number].items() if answer.status_code == 200]
        lost = [answer for answer in told[number].values() if answer.status_code != 200]
        assert len(won) + ended[number] == 1, [answer.content for answer in told[number].values()]
        assert stored.state == (State.SUCCEEDED if ended[number] else WORDS[won[0]])
        assert (stored.result is not None) == ended[number]
        assert all(answer.status_code == 400 for answer in lost)
        assert all(answer.json()["trackingId"] for answer in lost)
