"""Streams over the real server: as they happen, without their client, and beside other requests."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from django.db import connection

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.http import Server, token
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def actor() -> Any:
    return factories.actor()


def client_of(server: Server, actor: Any) -> httpx.Client:
    return httpx.Client(
        base_url=server.url,
        headers={"authorization": f"Bearer {token(actor.user)}"},
        timeout=60,
    )


def _streamed(**parameters: Any) -> dict[str, Any]:
    return {"Type": "Work", "StreamProgress": True, "Parameters": parameters}


@pytest.mark.spec("enterprise_tester", "Background Tasks", "StreamProgress")
def test_progress_arrives_before_the_task_ends(actor: Any) -> None:
    with WorkerCommand(workers=1), Server() as server, client_of(server, actor) as client:
        seen: list[str] = []
        body = b""
        with client.stream("POST", "/api/backgroundtasks", json=_streamed(Steps=100)) as answer:
            for piece in answer.iter_raw():
                body += piece
                seen.append(TaskStatus.objects.get().state)
        elements = json.loads(body)
        polled = client.get(answer.headers["location"]).json()

    assert answer.status_code == 202
    assert State(seen[0]) not in FINAL
    assert len(elements) >= 3
    assert [element["Complete"] for element in elements] == [False] * (len(elements) - 1) + [True]
    assert elements[-1] == polled
    counts = [element["ProcessedElements"] for element in elements]
    assert counts == sorted(counts)
    assert counts[-1] == 100


def test_events_lead_to_the_end(actor: Any) -> None:
    with WorkerCommand(workers=1), Server() as server, client_of(server, actor) as client:
        started = client.post(
            "/api/backgroundtasks", json={"Type": "Work", "Parameters": {"Steps": 50}}
        )
        with client.stream("GET", started.headers["location"] + "/events") as answer:
            text = "".join(answer.iter_text())
        last = client.get(
            started.headers["location"] + "/events",
            headers={"Last-Event-ID": text.rpartition("id: ")[2].split("\n")[0]},
        )

    names = [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event")]
    assert names[-1] == "end"
    assert set(names[:-1]) == {"progress"}
    assert last.status_code == 204


def test_the_task_ends_well_when_its_client_leaves(actor: Any) -> None:
    with WorkerCommand(workers=1), Server() as server, client_of(server, actor) as client:
        with client.stream("POST", "/api/backgroundtasks", json=_streamed(Steps=100)) as answer:
            next(answer.iter_raw())

        run = wait_for(lambda: TaskStatus.objects.filter(state__in=FINAL).first(), "the end")

    assert run.state == State.SUCCEEDED


def test_a_client_that_left_gives_its_place_back(actor: Any) -> None:
    with Server(STREAMS=1) as server, client_of(server, actor) as client:
        with client.stream("POST", "/api/backgroundtasks", json=_streamed()) as answer:
            next(answer.iter_raw())
            full = client.post("/api/backgroundtasks", json=_streamed())
        stored = TaskStatus.objects.count()

        def free() -> bool:
            with client.stream("GET", answer.headers["location"] + "/events") as events:
                return events.status_code == 200

        wait_for(free, "the place to be free again", limit=40)

    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert stored == 1


def test_many_open_streams_hold_no_connections_and_nobody_up(actor: Any) -> None:
    run = factories.run(State.RUNNING, owner=actor)
    path = f"/api/backgroundtask/work-{run.pk}"
    opened = threading.Semaphore(0)
    ends: list[str] = []

    with Server() as server, client_of(server, actor) as client:
        headers = dict(client.headers)

        def follow() -> None:
            with httpx.stream(
                "GET", f"{server.url}{path}/events", headers=headers, timeout=120
            ) as answer:
                text = ""
                for piece in answer.iter_text():
                    if not text:
                        opened.release()
                    text += piece
            ends.append(text)

        followers = [threading.Thread(target=follow) for _ in range(50)]
        for follower in followers:
            follower.start()
        for _ in followers:
            assert opened.acquire(timeout=60)
        polls = [client.get(path).status_code for _ in range(20)]
        connections = _connections()
        TaskStatus.objects.filter(pk=run.pk).update(state=State.SUCCEEDED, event=2)
        for follower in followers:
            follower.join(60)

    assert polls == [200] * 20
    assert len(ends) == 50
    assert all("event: end" in text for text in ends)
    # Threads that answered other requests keep theirs; the streams' own are closed.
    assert connections is None or connections < 25


def _connections() -> int | None:
    """Return how many connections this database has; None where nobody knows."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
