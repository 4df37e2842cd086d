"""A worker's drain: what it claims is done in order, and nothing of it is left behind."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, NotSupportedError, OperationalError, connection

from backgroundtasks import operations
from backgroundtasks.engine import drain
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import Outcome, TaskFailed
from backgroundtasks.lifecycle import arrows, store
from backgroundtasks.models import Message, TaskStatus, Worker
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)


def _states() -> list[str]:
    return list(TaskStatus.objects.order_by("position").values_list("state", flat=True))


@pytest.fixture
def done(make_handler: Any) -> list[Any]:
    """The runs that were performed, in order; short, long and of the side queue."""
    ids: list[Any] = []

    def perform(context: Any, _: Any) -> None:
        ids.append(context.run_id)

    make_handler(perform, name="Long")
    make_handler(perform, name="Brief", idempotent=True, short=True)
    make_handler(perform, name="Side", queue="side")
    return ids


def break_once(
    monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, *, after: bool = False
) -> list[int]:
    """Have a function of the store fail at its first call, before or after it took effect."""
    module, calls = store(), []
    original = getattr(module, name)

    def broken(*arguments: Any, **values: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return original(*arguments, **values)
        if after:
            original(*arguments, **values)
        raise error

    monkeypatch.setattr(module, name, broken)
    return calls


class TestOrder:
    def test_of_a_batch_is_that_of_priority_and_submission(
        self, drainer: Drainer, done: list[Any]
    ) -> None:
        actor = factories.actor()
        low = operations.submit(actor, "Brief", {}, priority=-1).run_id
        plain = operations.submit_many(actor, "Brief", [{}] * 30)
        high = operations.submit(actor, "Brief", {}, priority=1).run_id
        drainer._most = 50

        drainer.drain()

        assert done == [high, *plain, low]

    def test_holds_where_short_and_long_runs_are_mixed(
        self, drainer: Drainer, done: list[Any]
    ) -> None:
        actor = factories.actor()
        ids = [
            operations.submit(actor, name, {}).run_id
            for name in ("Brief", "Brief", "Long", "Brief", "Long", "Long", "Brief", "Brief")
        ]
        drainer._most = 50

        drainer.drain()

        assert done == ids

    def test_lets_a_quiet_queue_have_its_turn_while_another_never_ends(
        self, drainer: Drainer, done: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        actor = factories.actor()
        monkeypatch.setattr(drain, "_TURN", 0.0)
        main = [operations.submit(actor, "Long", {}).run_id for _ in range(10)]
        side = operations.submit(actor, "Side", {}).run_id

        drainer.drain()

        assert done.index(side) < 3
        assert [run for run in done if run != side] == main

    def test_claims_a_run_alone_that_was_in_a_killed_batch(
        self, drainer: Drainer, done: list[Any]
    ) -> None:
        ids = operations.submit_many(factories.actor(), "Brief", [{}] * 3)
        TaskStatus.objects.filter(pk=ids[0]).update(solo=True)

        claims = [
            len(
                store().claim("default", most=9, token=n, worker_id=ids[0], lease=timedelta(1)).runs
            )
            for n in range(3)
        ]

        assert claims == [1, 2, 0]


class TestABatch:
    def test_gives_back_what_had_not_begun_when_the_worker_is_to_stop(
        self, drainer: Drainer, make_handler: Any, stop_flag: Any
    ) -> None:
        def perform(*_: Any) -> None:
            stop_flag.age = 0.0

        make_handler(perform, idempotent=True, short=True)
        operations.submit_many(factories.actor(), "Played", [{}] * 4)
        drainer._most = 4

        drainer.drain()

        assert _states() == ["succeeded", "queued", "queued", "queued"]
        assert list(TaskStatus.objects.order_by("position").values_list("attempt", flat=True)) == [
            1,
            0,
            0,
            0,
        ]

    def test_gives_the_rest_back_when_one_is_slow(
        self, drainer: Drainer, make_handler: Any
    ) -> None:
        seen: list[Any] = []

        def perform(context: Any, _: Any) -> None:
            if not seen:
                drainer._pulse.execution.began_at -= 1  # type: ignore[union-attr]
                drainer._pulse._tick()
                seen.append(_states())

        make_handler(perform, idempotent=True, short=True)
        operations.submit_many(factories.actor(), "Played", [{}] * 3)
        drainer._most = 3

        drainer.drain()

        assert seen == [["running", "queued", "queued"]]
        assert _states() == ["succeeded"] * 3

    def test_gives_the_rest_back_later_when_the_database_was_away(
        self, drainer: Drainer, make_handler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        give_back = arrows.give_back
        away = [OperationalError("gone")]

        def broken(*arguments: Any, **values: Any) -> int:
            if away:
                raise away.pop()
            return give_back(*arguments, **values)

        monkeypatch.setattr(arrows, "give_back", broken)

        def perform(context: Any, _: Any) -> None:
            if not seen:
                drainer._pulse.execution.began_at -= 1  # type: ignore[union-attr]
                with pytest.raises(OperationalError):
                    drainer._pulse._tick()
                drainer._pulse._tick()
                seen.append(_states())

        make_handler(perform, idempotent=True, short=True)
        operations.submit_many(factories.actor(), "Played", [{}] * 3)
        drainer._most = 3

        drainer.drain()

        assert seen == [["running", "queued", "queued"]]

    def test_with_a_failure_keeps_the_other_ends(self, drainer: Drainer, make_handler: Any) -> None:
        def perform(context: Any, _: Any) -> Outcome:
            if context.run_id == ids[1]:
                raise TaskFailed("No.")
            return Outcome(result={"n": 1})

        make_handler(perform, idempotent=True, short=True)
        ids = operations.submit_many(factories.actor(), "Played", [{}] * 3)
        drainer._most = 3

        drainer.drain()

        assert _states() == ["succeeded", "failed", "succeeded"]


class TestWhenTheDatabaseFails:
    ERRORS = [OperationalError("gone"), NotSupportedError("cached plan must not change")]

    @pytest.mark.parametrize("after", [False, True], ids=["before its commit", "after its commit"])
    @pytest.mark.parametrize("error", ERRORS, ids=["connection", "plan"])
    def test_in_a_claim_nothing_is_lost_or_done_twice(
        self,
        drainer: Drainer,
        done: list[Any],
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        *,
        after: bool,
    ) -> None:
        ids = operations.submit_many(factories.actor(), "Long", [{}] * 3)
        break_once(monkeypatch, "claim", error, after=after)

        drainer.drain()
        drainer.drain()

        assert done == ids
        assert _states() == ["succeeded"] * 3
        assert set(TaskStatus.objects.values_list("attempt", flat=True)) == {1}

    @pytest.mark.parametrize("after", [False, True], ids=["before its commit", "after its commit"])
    @pytest.mark.parametrize("error", ERRORS, ids=["connection", "plan"])
    def test_in_a_finish_with_the_next_claim_the_end_is_kept_and_nothing_false_is_said(
        self,
        drainer: Drainer,
        make_handler: Any,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        *,
        after: bool,
    ) -> None:
        done: list[Any] = []

        def perform(context: Any, _: Any) -> None:
            done.append(context.run_id)
            if len(done) == 1:
                break_once(monkeypatch, "claim", error, after=after)

        make_handler(perform)
        ids = operations.submit_many(factories.actor(), "Played", [{}] * 3)

        drainer.drain()
        drainer.drain()

        assert done == ids
        assert _states() == ["succeeded"] * 3
        assert not Message.objects.exists()

    def test_an_end_whose_commit_got_no_answer_is_not_called_late(
        self, drainer: Drainer, make_handler: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def perform(*_: Any) -> None:
            raise TaskFailed("No.")

        make_handler(perform)
        fail, calls = arrows.fail, []

        def broken(*arguments: Any, **values: Any) -> bool:
            calls.append(fail(*arguments, **values))
            if len(calls) == 1:
                raise OperationalError("gone")
            return calls[-1]

        monkeypatch.setattr(arrows, "fail", broken)
        operations.submit(factories.actor(), "Played", {})

        drainer.drain()

        assert calls == [True, False]
        assert _states() == ["failed"]
        assert not Message.objects.exists()

    def test_the_log_says_once_that_it_is_away_and_once_that_it_is_back(
        self, drainer: Drainer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drain, "_AWAY", (0.0,))
        errors = [OperationalError("the server\nis gone")] * 5

        def write() -> str:
            if errors:
                raise errors.pop()
            return "written"

        assert drainer.persist(write) == "written"
        assert [record.message.split()[0] for record in caplog.records] == [
            "worker.database_lost",
            "worker.database_back",
        ]
        assert "error=the server; it keeps what it has" in caplog.text

    def test_a_worker_that_is_to_stop_waits_no_longer_than_its_grace(
        self, drainer: Drainer, stop_flag: Any
    ) -> None:
        stop_flag.age = 1_000_000.0

        def write() -> None:
            raise OperationalError("gone")

        with pytest.raises(OperationalError):
            drainer.persist(write)


class TestAClaimThatMeetsAnothers:
    def test_exclusive_key_is_tried_again_and_then_left_to_the_next_wake_up(
        self, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def broken(*_: Any, **__: Any) -> Any:
            calls.append(time.monotonic())
            raise IntegrityError("one_run_per_exclusive_key")

        monkeypatch.setattr(store(), "claim", broken)

        assert drainer.drain() == 0
        assert 2 <= len(calls) <= 10

    def test_once_goes_on_at_once(
        self, drainer: Drainer, done: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = operations.submit_many(factories.actor(), "Long", [{}] * 2)
        break_once(monkeypatch, "claim", IntegrityError("one_run_per_exclusive_key"))

        drainer.drain()

        assert done == ids


class TestAnErrorOfTheEngineItself:
    def test_ends_the_process_that_holds_runs_so_that_the_keeper_takes_them(
        self, drainer: Drainer, done: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exits: list[int] = []
        operations.submit(factories.actor(), "Long", {})
        monkeypatch.setattr(drain, "_drainer", drainer)
        monkeypatch.setattr(drain.os, "_exit", exits.append)
        monkeypatch.setattr(drainer, "_adapt", lambda *_: 1 / 0)

        drain.drain()

        assert exits == [1]
        assert drainer._pulse.batch is None

    def test_leaves_a_process_alone_that_holds_nothing(
        self, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drain, "_drainer", drainer)
        monkeypatch.setattr(drain.os, "_exit", lambda code: pytest.fail("it ended"))
        monkeypatch.setattr(store(), "claim", lambda *_, **__: 1 / 0)

        drain.drain()


class TestAZombie:
    def test_finish_is_discarded_and_recorded_and_the_other_end_stands(
        self, drainer: Drainer, make_handler: Any
    ) -> None:
        def perform(context: Any, _: Any) -> Outcome:
            TaskStatus.objects.filter(pk=context.run_id).update(attempt=2, token=5)
            return Outcome(result={"Late": True})

        make_handler(perform)
        operations.submit(factories.actor(), "Played", {})

        drainer.drain()

        run = TaskStatus.objects.get()
        assert (run.state, run.attempt, run.result) == (State.RUNNING, 2, None)
        (message,) = Message.objects.all()
        assert (message.key, message.level) == ("run.late_write_discarded", "warning")
        assert message.text == (
            "Attempt 1 ended after the run was taken from it; its result was discarded."
        )
        assert message.parameters == {}
        assert message.attempt == 1


class TestAWorkersLife:
    def test_is_written_down_and_its_pulse_ends_with_it(self, drainer: Drainer) -> None:
        drainer.begin()
        assert Worker.objects.get(pk=drainer.worker_id).stopped_at is None
        assert drainer._pulse.is_alive()
        drainer.end()

        assert not drainer._pulse.is_alive()
        assert Worker.objects.get(pk=drainer.worker_id).stopped_at is not None


def test_a_drain_of_one_run_asks_the_database_for_little(
    drainer: Drainer, done: list[Any], django_assert_max_num_queries: Any
) -> None:
    operations.submit(factories.actor(), "Long", {})
    with django_assert_max_num_queries(4 if connection.vendor == "postgresql" else 12):
        drainer.drain()
