"""What an actor sees: the account's runs, as far as their handlers show them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock, exceptions, operations, queries
from backgroundtasks.handlers import Actor, TaskHandler, registry
from backgroundtasks.models import Attempt, Message
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Actor:
    return factories.actor()


@pytest.fixture
def colleague(owner: Actor) -> Actor:
    return factories.actor(account=owner.account)


class TestVisibility:
    def test_is_the_accounts_members(self, owner: Actor, colleague: Actor) -> None:
        run = factories.run(owner=owner)
        stranger = factories.actor("admin")

        assert queries.get_run(colleague, run.pk) == run
        with pytest.raises(exceptions.RunNotFound) as refusal:
            queries.get_run(stranger, run.pk)
        assert str(refusal.value) == f"There is no run {run.pk}."
        with pytest.raises(exceptions.RunNotFound):
            queries.list_messages(stranger, run.pk)

    def test_composes_what_handlers_say_of_their_own_types(
        self, owner: Actor, colleague: Actor
    ) -> None:
        opened = factories.run(owner=owner)
        private = factories.run(owner=owner, task_type="OwnersWork")

        assert set(queries.visible_runs(owner)) == {opened, private}
        assert set(queries.visible_runs(colleague)) == {opened}
        with pytest.raises(exceptions.RunNotFound):
            operations.cancel(colleague, private.pk)

    def test_may_look_at_the_task_and_still_gives_each_run_once(
        self, owner: Actor, colleague: Actor
    ) -> None:
        class ByTitle(TaskHandler):
            task_type = "ByTitle"

            @classmethod
            def visible_to(cls, actor: Any) -> Q:
                return Q(task__title="shared") | Q(owner=actor.user)

        try:
            shared, other = (factories.run(owner=owner, task_type="ByTitle") for _ in range(2))
            shared.task.title = "shared"
            shared.task.save()

            assert list(queries.visible_runs(colleague)) == [shared]
            assert set(queries.visible_runs(owner)) == {shared, other}
        finally:
            del registry._handlers["bytitle"]

    def test_of_a_type_whose_handler_is_gone_is_left_to_administrators(self, owner: Actor) -> None:
        run = factories.run(owner=owner, task_type="Gone")
        admin = factories.actor("admin", account=owner.account)

        assert run not in queries.visible_runs(owner)
        assert run in queries.visible_runs(admin)

    def test_is_all_of_the_account_for_an_operator_of_the_installation(self, owner: Actor) -> None:
        private = factories.run(owner=owner, task_type="OwnersWork")
        operator = factories.actor("viewer", account=owner.account, is_superuser=True)

        assert queries.get_run(operator, private.pk) == private

    @pytest.mark.parametrize("state", State)
    def test_in_a_state_is_the_same_by_every_way(
        self, owner: Actor, colleague: Actor, state: State
    ) -> None:
        for other in State:
            factories.run(other, owner=owner)
            factories.run(other, owner=owner, task_type="OwnersWork")
        factories.run(state)

        found = list(queries.visible_in_states(colleague, {state}))

        assert [(run.state, run.task_type) for run in found] == [(state, "Work")]


class TestAttempts:
    def test_are_the_earlier_ones_and_the_one_that_ended_the_run(self) -> None:
        run = factories.run(State.FAILED, attempt=2, error="No.")
        Attempt.objects.create(
            run=run, number=1, finished_at=clock.now(), outcome="died", error="It died."
        )

        found = queries.list_attempts(run)

        assert [(a.number, a.outcome, a.error) for a in found] == [
            (1, "died", "It died."),
            (2, "failed", "No."),
        ]

    def test_of_a_run_that_waits_for_its_next_one_are_those_that_were(self) -> None:
        run = factories.run(State.SCHEDULED, attempt=1, started_at=clock.now())
        Attempt.objects.create(run=run, number=1, finished_at=clock.now(), outcome="failed")

        assert [a.number for a in queries.list_attempts(run)] == [1]

    def test_of_a_run_that_never_began_are_none(self) -> None:
        assert queries.list_attempts(factories.run()) == []


def test_messages_come_in_order_from_behind_a_known_one(owner: Actor) -> None:
    run = factories.run(owner=owner)
    first, second = (Message.objects.create(run=run, key=str(n)) for n in range(2))

    assert list(queries.list_messages(owner, run.pk)) == [first, second]
    assert list(queries.list_messages(owner, run.pk, after=first.pk)) == [second]


def test_a_queues_health_is_its_backlog_and_the_age_of_its_oldest_run() -> None:
    factories.run(run_after=clock.now() - timedelta(minutes=5))
    factories.run()
    factories.run(State.SCHEDULED, run_after=clock.now() - timedelta(hours=5))
    operations.pause_queue("side")

    health = {queue.name: queue for queue in queries.queue_health()}

    assert health["default"].queued == 2
    assert health["default"].oldest is not None
    assert timedelta(minutes=5) <= health["default"].oldest < timedelta(minutes=6)
    assert (health["side"].paused, health["side"].oldest) == (True, None)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by its statistics")
def test_messages_are_found_by_their_runs_also_once_sqlite_has_statistics() -> None:
    owner = factories.actor()
    runs = [factories.run(owner=owner) for _ in range(30)]
    Message.objects.bulk_create(Message(run=run, key="k") for run in runs for _ in range(3))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    with CaptureQueriesContext(connection) as asked:
        assert len(queries.newest_messages([run.pk for run in runs], most=2)) == 60

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked.captured_queries[0]['sql']}")
        assert not [step for *_, step in cursor.fetchall() if step.startswith("SCAN m")]
