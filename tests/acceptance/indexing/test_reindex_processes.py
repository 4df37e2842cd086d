"""A rebuild in a real worker, while it is searched over HTTP: killed with -9, and cancelled."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Replace

from backgroundtasks.handlers import Actor
from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from indexing import documents
from indexing.models import Document
from tests.support import factories
from tests.support.http import Server, token
from tests.support.projects import ProjectFactory
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, kill
from tickets.models import AutomatedTest, Project

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

TESTS = 5_000
#: Projects with long texts: these take the time, so that there is a middle.
LONG = 600
ALL = TESTS + LONG


@pytest.fixture
def actor() -> Actor:
    return factories.actor()


@pytest.fixture
def api(actor: Actor) -> Iterator[httpx.Client]:
    """Return a member's client of a real server."""
    headers = {"Authorization": f"Bearer {token(actor.user)}"}
    with Server() as server, httpx.Client(base_url=server.url, headers=headers, timeout=60) as api:
        yield api


@pytest.fixture
def stale(actor: Actor) -> None:
    """Index everything; then rename it behind the index's back."""
    account, chance = actor.account, random.Random(1)
    long = [
        ProjectFactory.build(
            account=account,
            name=f"checkout before {number}",
            description=" ".join(f"word{chance.randrange(20_000)}" for _ in range(800)),
        )
        for number in range(LONG)
    ]
    Project.objects.bulk_create(long, batch_size=1_000)
    AutomatedTest.objects.bulk_create(
        (
            AutomatedTest(account=account, project=long[0], name="checkout before")
            for _ in range(TESTS)
        ),
        batch_size=1_000,
    )
    for model in (AutomatedTest, Project):
        assert sum(documents.index_batches(model, account_id=account.pk)) > 0
        model.objects.update(name=Replace(F("name"), Value("before"), Value("after")))


class Searches:
    """Searches one after the other; each must find everything, whatever happens meanwhile."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self.number = 0

    def found(self, word: str) -> int:
        answer = self._api.get("/api/search", params={"tql": f"Name ~ {word}", "$top": 1})
        assert answer.status_code == 200, answer.text
        total: int = answer.json()["Total"]
        return total

    def until(self, condition: Callable[[], Any]) -> Callable[[], Any]:
        """Return the condition; each look at it searches first."""

        def look() -> Any:
            assert self.found("checkout") == ALL
            self.number += 1
            return condition()

        return look


def renamed() -> int:
    return Document.objects.filter(name__startswith="checkout after").count()


def started(api: httpx.Client) -> str:
    answer = api.post("/api/backgroundtasks", json={"Type": "Reindex"})
    assert answer.status_code == 202, answer.text
    where: str = answer.json()["Self"]
    return where


def run_of(task: str) -> TaskStatus:
    return TaskStatus.objects.get(pk=task[-36:])


def ended(task: str) -> TaskStatus | None:
    run = run_of(task)
    return run if run.state in FINAL else None


def test_a_rebuild_whose_worker_is_killed_is_finished_by_the_next(
    api: httpx.Client, stale: None
) -> None:
    searches = Searches(api)
    with WorkerCommand(workers=1) as command:
        task = started(api)
        wait_for(searches.until(renamed), "the first documents")
        kill(command.workers()[0].pid)
        reached = renamed()
        run = wait_for(searches.until(lambda: ended(task)), "the rebuild to end", limit=60)

    assert 0 < reached < ALL
    assert run.state == State.SUCCEEDED
    assert run.attempt >= 2
    assert Attempt.objects.get(run=run, number=1).outcome == "died"
    assert searches.number > 2
    assert (searches.found("after"), searches.found("before")) == (ALL, 0)
    assert renamed() == ALL
    body = api.get(task).json()
    assert (body["Complete"], body["ProcessedElements"]) == (True, body["TotalElements"])


def test_a_cancelled_rebuild_leaves_an_index_that_can_be_searched_and_rebuilt(
    api: httpx.Client, stale: None
) -> None:
    searches = Searches(api)
    with WorkerCommand(workers=1, HEARTBEAT=0.1):
        task = started(api)
        wait_for(searches.until(renamed), "the first documents")
        assert api.post(f"{task}/cancel").status_code in {200, 409}
        run = wait_for(searches.until(lambda: ended(task)), "the rebuild to end", limit=60)
        reached = renamed()

        # On SQLite the cancellation may get its turn to write only when all is done.
        if connection.vendor == "postgresql":
            assert (run.state, reached < ALL) == (State.CANCELLED, True)
        assert run.state in {State.CANCELLED, State.SUCCEEDED}
        assert reached > 0
        assert (searches.found("after"), searches.found("before")) == (reached, ALL - reached)

        again = started(api)
        run = wait_for(searches.until(lambda: ended(again)), "the next one to end", limit=60)

    assert run.state == State.SUCCEEDED
    assert (searches.found("after"), searches.found("before")) == (ALL, 0)
