"""`/metrics`: what the database says at the moment of the scrape."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from backgroundtasks import clock, operations
from backgroundtasks.api import authentication
from backgroundtasks.models import Queue, Worker
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

Samples = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def nobody_is_known() -> None:
    authentication.forget()


def scrape(client: Client) -> Samples:
    """Return (name, label values…) to value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("taskcenter_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def ago(seconds: float) -> dict[str, object]:
    moment = clock.now() - timedelta(seconds=seconds)
    return {"run_after": moment, "queued_at": moment, "position": clock.position_at(moment)}


def test_tells_backlog_and_age_of_each_queue(client: Client) -> None:
    factories.run(**ago(100))
    factories.run(**ago(10))
    factories.run(queue="side", **ago(50))
    Queue.objects.create(name="side", paused_at=clock.now())

    samples = scrape(client)

    assert samples["queued_runs", "default"] == 2
    assert samples["queued_runs", "side"] == 1
    assert 100 <= samples["oldest_runnable_run_seconds", "default"] < 160
    assert samples["queue_paused", "default"] == 0
    assert samples["queue_paused", "side"] == 1


def test_a_run_that_waits_for_another_of_its_key_is_not_late(client: Client) -> None:
    factories.run(State.RUNNING, exclusive_key="one")
    factories.run(exclusive_key="one", **ago(1000))

    samples = scrape(client)

    assert samples["queued_runs", "default"] == 1
    assert samples["oldest_runnable_run_seconds", "default"] == 0


def test_counts_unfinished_runs_by_state_and_type(client: Client) -> None:
    for state in State:
        factories.run(state)
    factories.run(State.RUNNING, task_type="SideWork")

    counted = {key[1:]: value for key, value in scrape(client).items() if key[0] == "runs"}

    assert counted == {
        ("queued", "Work"): 1,
        ("scheduled", "Work"): 1,
        ("running", "Work"): 1,
        ("waiting", "Work"): 1,
        ("pausing", "Work"): 1,
        ("paused", "Work"): 1,
        ("cancelling", "Work"): 1,
        ("running", "SideWork"): 1,
    }


def test_counts_recent_runs_only(client: Client) -> None:
    factories.run(State.SUCCEEDED)
    factories.run(State.SUCCEEDED, **ago(120))

    assert scrape(client)["recent_runs", "succeeded"] == 1


def test_counts_what_went_wrong_lately(client: Client) -> None:
    factories.run(State.FAILED, **ago(3600))  # queued an hour ago, failed now
    factories.run(State.LOST)
    factories.run(State.FAILED, finished_at=clock.now() - timedelta(hours=1))
    factories.run(State.SUCCEEDED)

    samples = scrape(client)

    problems = {key[1:]: value for key, value in samples.items() if key[0] == "recent_problems"}
    assert problems == {("failed", "Work"): 1, ("lost", "Work"): 1}


def test_counts_live_workers(client: Client) -> None:
    Worker.objects.create(host="here", host_id="boot", pid=1)
    Worker.objects.create(host="here", host_id="boot", pid=2, stopped_at=clock.now())
    Worker.objects.create(
        host="here", host_id="boot", pid=3, beat_at=clock.now() - timedelta(hours=1)
    )

    assert scrape(client)["workers",] == 1


def test_asks_as_many_queries_for_many_runs_as_for_one(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner = factories.actor()
    for state in State:
        for _ in range(3):
            factories.run(state, owner=owner)

    with django_assert_num_queries(9):
        scrape(client)


class TestAccess:
    def test_from_elsewhere_it_takes_a_credential(self, client: Client) -> None:
        answer = client.get("/metrics", REMOTE_ADDR="192.0.2.1")

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
    def test_a_proxy_on_this_machine_opens_nothing(self, client: Client, header: str) -> None:
        assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 401

    @pytest.mark.parametrize("is_superuser, status", [(True, 200), (False, 403)])
    def test_from_elsewhere_it_takes_a_superuser(
        self, client: Client, is_superuser: bool, status: int
    ) -> None:
        token, _ = operations.issue_token(factories.actor("admin", is_superuser=is_superuser).user)

        answer = client.get(
            "/metrics", REMOTE_ADDR="192.0.2.1", headers={"Authorization": f"Bearer {token}"}
        )

        assert answer.status_code == status
