"""The installation's own tasks: there from the first start, once, and nobody's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks import clock, conf, exceptions, operations, queries, scheduling
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.models import Account, Schedule, Task, TaskStatus
from backgroundtasks.states import State
from backgroundtasks.worker.keeper import Keeper
from tests.support import factories

BOTH = conf.DEFAULTS["SYSTEM_TASKS"]


@pytest.fixture(autouse=True)
def as_shipped(settings: Any) -> None:
    settings.TASKCENTER = {**settings.TASKCENTER, "SYSTEM_TASKS": BOTH}


class _NeverStopped:
    age: float | None = None


@pytest.mark.django_db
class TestMaking:
    def test_both_cleaners_are_hourly_protected_and_nobodys(self) -> None:
        assert operations.make_system_tasks() == 2

        made = Schedule.objects.select_related("task", "account")
        assert {one.task.title: one.task.task_type for one in made} == {
            "gpCleanerTask": "CleanGPJobs",
            "backupRetentionCleanerTask": "BackupRetentionCleaner",
        }
        for one in made:
            assert one.account.is_system
            assert one.protected
            assert one.task.owner is None
            assert one.expression == "0 0 * * * ?"
            assert one.next_at is not None
            assert one.next_at > clock.now()

    def test_again_makes_nothing_and_changes_nothing(self) -> None:
        operations.make_system_tasks()
        Schedule.objects.update(state="paused", next_at=None)

        assert operations.make_system_tasks() == 0
        assert set(Schedule.objects.values_list("state", flat=True)) == {"paused"}

    def test_one_that_is_missing_is_made_again(self) -> None:
        operations.make_system_tasks()
        Task.objects.filter(task_type="CleanGPJobs").delete()

        assert operations.make_system_tasks() == 1
        assert Schedule.objects.count() == 2

    def test_a_schedule_of_somebody_is_not_taken_for_the_installations(self) -> None:
        operations.make_system_account()
        boss = factories.actor(is_superuser=True)
        actor = queries.actor_of(boss.user, queries.system_account().pk)
        operations.create_schedule(actor, "CleanGPJobs", {}, operations.Timing("0 0 4 * * ?"))

        assert operations.make_system_tasks() == 2

    def test_bootstrap_makes_them(self) -> None:
        operations.bootstrap("Default", "admin", lambda: "sesame-42")

        assert Schedule.objects.filter(protected=True).count() == 2

    def test_a_keeper_makes_them_where_nobody_has(self) -> None:
        Keeper().round()

        assert Schedule.objects.filter(protected=True).count() == 2

    def test_a_type_that_there_is_not_is_said_and_keeps_nobody_from_the_rest(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "SYSTEM_TASKS": ("Nope", "CleanGPJobs")}

        assert operations.make_system_tasks() == 1
        assert "schedule.unknown_type type=Nope" in caplog.text

    def test_without_any_no_account_is_made(self, settings: Any) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "SYSTEM_TASKS": ()}

        assert operations.make_system_tasks() == 0
        assert not Account.objects.filter(is_system=True).exists()

    def test_they_can_be_paused_and_not_deleted(self) -> None:
        operations.make_system_tasks()
        actor = queries.actor_of(
            factories.actor(is_superuser=True).user, queries.system_account().pk
        )

        for schedule in Schedule.objects.all():
            with pytest.raises(exceptions.ScheduleConflict):
                operations.delete_schedule(actor, schedule.pk)
            assert operations.pause_schedule(actor, schedule.pk).state == "paused"


@pytest.mark.django_db(transaction=True)
class TestRunning:
    @pytest.mark.parametrize("now", [False, True], ids=["at their time", "by an operator"])
    def test_they_run_without_an_owner(self, now: bool) -> None:
        operations.make_system_tasks()
        boss = factories.actor(is_superuser=True)
        actor = queries.actor_of(boss.user, queries.system_account().pk)
        if now:
            for schedule in Schedule.objects.all():
                operations.run_schedule_now(actor, schedule.pk)
        else:
            # A moment ago: SQLite's clock has no microseconds.
            Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))
            assert scheduling.fire_due() == 2

        while Drainer(["default"], stop_flag=_NeverStopped()).drain():  # type: ignore[arg-type]
            pass

        runs = TaskStatus.objects.all()
        assert {run.state for run in runs} == {State.SUCCEEDED}, [run.error for run in runs]
        assert len(runs) == 2
        assert {run.owner for run in runs} == {None}

    def test_a_task_whose_owner_was_deleted_is_not_the_installations(self) -> None:
        operations.make_system_account()
        boss = factories.actor(is_superuser=True)
        actor = queries.actor_of(boss.user, queries.system_account().pk)
        operations.submit(actor, "CleanGPJobs", {})
        boss.user.delete()

        while Drainer(["default"], stop_flag=_NeverStopped()).drain():  # type: ignore[arg-type]
            pass

        run = TaskStatus.objects.get()
        assert run.state == State.FAILED
        assert "(deleted)" in run.error
