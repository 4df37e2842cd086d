"""P10: each due time makes one run, and a broken schedule harms no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock, scheduling
from backgroundtasks.lifecycle import flushing
from backgroundtasks.models import Schedule, ScheduleState, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.work.handlers.work import OwnersWork

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def due(
    expression: str = "0 0 * * * ?", *, ago: timedelta = timedelta(milliseconds=1), **values: Any
) -> Schedule:
    """Return an active schedule whose time came so long ago; SQLite's clock has no microseconds."""
    task = values.pop("task", None) or factories.TaskFactory.create(
        owner=factories.UserFactory.create(), origin="schedule"
    )
    return Schedule.objects.create(
        task=task,
        account=task.account,
        expression=expression,
        next_at=clock.now() - ago,
        **values,
    )


def runs(schedule: Schedule) -> list[TaskStatus]:
    return list(TaskStatus.objects.filter(task_id=schedule.pk).order_by("position"))


def test_a_due_schedule_makes_one_run_and_moves_on() -> None:
    schedule = due(ago=timedelta(seconds=3))
    at = schedule.next_at

    assert scheduling.fire_due() == 1
    assert scheduling.fire_due() == 0

    (run,) = runs(schedule)
    assert (run.state, run.scheduled_for, run.owner) == (State.QUEUED, at, schedule.task.owner)
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > clock.now()
    assert (schedule.last_at, schedule.last_run_id) == (at, run.pk)
    assert (schedule.runs_made, schedule.generation, schedule.state) == (1, 2, "active")


def test_one_that_is_not_due_or_not_active_makes_none() -> None:
    due(ago=-HOUR)
    for state in set(ScheduleState) - {ScheduleState.ACTIVE}:
        due(state=state)

    assert scheduling.fire_due() == 0
    assert not TaskStatus.objects.exists()


def test_times_that_are_only_a_little_late_are_all_fired() -> None:
    schedule = due("0/10 * * * * ?", ago=timedelta(seconds=35), overlap="queue")
    schedule.next_at = schedule.next_at.replace(  # type: ignore[union-attr]
        second=schedule.next_at.second // 10 * 10,
        microsecond=0,  # type: ignore[union-attr]
    )
    schedule.save()

    while scheduling.fire_due():
        pass

    times = [run.scheduled_for for run in runs(schedule) if run.scheduled_for]
    assert len(times) >= 4
    assert {later - sooner for sooner, later in pairwise(times)} == {timedelta(seconds=10)}


class TestAfterAnOutage:
    def test_one_run_is_made_for_all_missed_times(self) -> None:
        schedule = due("0 * * * * ?", ago=3 * HOUR)

        assert scheduling.fire_due() == 1

        (run,) = runs(schedule)
        assert run.scheduled_for is not None
        assert timedelta(0) <= clock.now() - run.scheduled_for < 2 * MINUTE
        schedule.refresh_from_db()
        assert schedule.next_at is not None
        assert schedule.next_at > clock.now()

    def test_or_none_when_missed_times_are_to_be_skipped(self) -> None:
        schedule = due("0 0 3 1 1 ?", ago=40 * 24 * HOUR, missed="skip")

        while scheduling.fire_due():
            pass

        assert runs(schedule) == []
        schedule.refresh_from_db()
        assert schedule.next_at is not None
        assert schedule.next_at > clock.now()

    def test_of_years_is_caught_up_at_once(self) -> None:
        schedule = due("* * * * * ?", ago=1000 * 24 * HOUR)

        assert scheduling.fire_due() == 1

        (run,) = runs(schedule)
        assert run.scheduled_for is not None
        assert clock.now() - run.scheduled_for < MINUTE

    def test_it_is_said_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        schedule = due(ago=HOUR * 5)
        scheduling.fire_due()
        assert f"schedule.missed task_id={schedule.pk}" in caplog.text


class TestAnUnfinishedRun:
    @pytest.mark.parametrize("state", sorted(set(State) - FINAL))
    def test_has_the_next_time_skipped(self, state: State) -> None:
        schedule = due()
        before = factories.run(state, task=schedule.task)
        Schedule.objects.update(last_run_id=before.pk)

        scheduling.fire_due()

        skipped = TaskStatus.objects.exclude(pk=before.pk).get()
        assert skipped.state == State.SKIPPED
        assert skipped.error
        assert skipped.finished_at is not None
        assert skipped.expires_at is not None
        schedule.refresh_from_db()
        assert (schedule.runs_made, schedule.last_run_id) == (0, before.pk)
        assert schedule.last_at is not None

    def test_lets_another_one_start_where_that_is_wanted(self) -> None:
        schedule = due(overlap="queue")
        before = factories.run(State.RUNNING, task=schedule.task)
        Schedule.objects.update(last_run_id=before.pk)

        scheduling.fire_due()

        assert TaskStatus.objects.exclude(pk=before.pk).get().state == State.QUEUED

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_that_has_ended_stops_nothing(self, state: State) -> None:
        schedule = due()
        before = factories.run(state, task=schedule.task)
        Schedule.objects.update(last_run_id=before.pk)

        scheduling.fire_due()

        assert TaskStatus.objects.exclude(pk=before.pk).get().state == State.QUEUED


class TestTheEnd:
    def test_comes_with_the_last_of_its_runs(self) -> None:
        schedule = due(max_runs=3, runs_made=2)

        scheduling.fire_due()

        schedule.refresh_from_db()
        assert (schedule.state, schedule.next_at, schedule.runs_made) == ("completed", None, 3)
        assert len(runs(schedule)) == 1

    def test_comes_when_its_window_closes(self) -> None:
        schedule = due(ends_at=clock.now() + timedelta(seconds=1), ago=timedelta(seconds=1))

        scheduling.fire_due()

        schedule.refresh_from_db()
        assert (schedule.state, schedule.next_at) == ("completed", None)
        assert len(runs(schedule)) == 1

    def test_that_came_during_an_outage_still_gives_its_last_run(self) -> None:
        end = clock.now() - HOUR
        schedule = due("0 * * * * ?", ago=3 * HOUR, ends_at=end)

        scheduling.fire_due()

        (run,) = runs(schedule)
        assert run.scheduled_for is not None
        assert end - MINUTE <= run.scheduled_for <= end
        schedule.refresh_from_db()
        assert schedule.state == "completed"


class TestABrokenSchedule:
    @pytest.mark.parametrize(
        "break_it",
        [
            pytest.param({"expression": "nonsense"}, id="expression"),
            pytest.param({"task__task_type": "Gone"}, id="handler"),
            pytest.param({"task__parameters": {"Nope": 1}}, id="parameters"),
            pytest.param({"task__parameters": {"Key": {"$sealed": "x"}}}, id="secret"),
        ],
    )
    def test_is_marked_with_the_reason_and_harms_no_other(
        self, break_it: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        broken, good = due(ago=timedelta(seconds=5)), due()
        for name, value in break_it.items():
            target = broken.task if name.startswith("task__") else broken
            setattr(target, name.removeprefix("task__"), value)
            target.save()

        assert scheduling.fire_due() == 2

        broken.refresh_from_db()
        assert (broken.state, broken.next_at) == ("broken", None)
        assert broken.problem
        assert f"schedule.broken task_id={broken.pk}" in caplog.text
        assert runs(broken) == []
        assert len(runs(good)) == 1

    def test_whose_row_the_database_refuses_harms_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, good = due(ago=timedelta(seconds=5)), due()
        broken.task.task_type = "OwnersWork"
        broken.task.save()
        monkeypatch.setattr(OwnersWork, "priority", 10**9)
        if connection.vendor == "sqlite":
            pytest.skip("SQLite takes any number")

        assert scheduling.fire_due() == 2

        broken.refresh_from_db()
        assert broken.state == "broken"
        assert len(runs(good)) == 1


def test_a_due_time_that_has_its_run_makes_no_second_one() -> None:
    """The clock went back, or an edit brought a time back."""
    schedule = due()
    factories.run(State.SUCCEEDED, task=schedule.task, scheduled_for=schedule.next_at)

    assert scheduling.fire_due() == 1

    assert len(runs(schedule)) == 1
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > clock.now()


def test_many_at_once_take_a_few_statements_each_batch() -> None:
    for _ in range(30):
        due()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert scheduling.fire_due() == 30
    assert len(captured) <= 12


def test_says_how_long_until_the_next_one() -> None:
    assert scheduling.next_due() is None
    due(ago=-HOUR)
    assert 3500 < (scheduling.next_due() or 0) < 3601
    due(ago=HOUR)
    assert (scheduling.next_due() or 0) < 0


def test_the_look_for_due_schedules_walks_its_index() -> None:
    due()
    with CaptureQueriesContext(connection) as captured:
        scheduling.fire_due()
        scheduling.next_due()
    looks = [
        query["sql"] for query in captured if "next_at" in query["sql"] and "SELECT" in query["sql"]
    ]
    assert looks
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in (looks[0], looks[-1]):
            explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
            cursor.execute(f"{explain} {sql}")
            plan = " ".join(str(row) for row in cursor.fetchall())
            assert "schedule_due" in plan


def test_a_schedule_starts_with_its_window() -> None:
    start = datetime(2099, 1, 1, 4, tzinfo=UTC)
    schedule = due("0 0 4 * * ?", starts_at=start)
    assert scheduling.first_time(schedule, clock.now()) == start
    assert scheduling.first_time(schedule, start) == start + timedelta(days=1)


def test_the_flush_of_its_last_run_leaves_the_schedule() -> None:
    schedule = due(ago=-HOUR)
    factories.run(State.SUCCEEDED, task=schedule.task, expires_at=clock.now() - HOUR)

    assert flushing.flush() == 1

    assert runs(schedule) == []
    assert Schedule.objects.filter(pk=schedule.pk).exists()
