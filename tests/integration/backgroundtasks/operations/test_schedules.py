"""Schedules: who may make, change and delete them, and what is refused."""

from __future__ import annotations

import uuid
from copy import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from backgroundtasks import clock, exceptions, operations, queries, scheduling
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Schedule, Task, TaskStatus
from backgroundtasks.operations import Timing
from backgroundtasks.states import HELD, PENDING, STANDING, State
from tests.support import factories

pytestmark = pytest.mark.django_db

HOURLY = Timing("0 0 * * * ?")
DAY = timedelta(days=1)


def made(**timing: Any) -> tuple[Any, Schedule]:
    actor = factories.actor()
    return actor, operations.create_schedule(
        actor, "work", {"Steps": 2}, Timing(**{"expression": "0 0 * * * ?", **timing})
    )


class TestCreating:
    def test_stores_a_task_without_a_run_and_its_next_time(self) -> None:
        actor, schedule = made()
        task = Task.objects.get()
        assert (task.task_type, task.owner, task.account) == ("Work", actor.user, actor.account)
        assert not TaskStatus.objects.exists()
        assert schedule.next_at is not None
        assert timedelta(0) < schedule.next_at - clock.now() <= timedelta(hours=1)
        assert (schedule.generation, schedule.state) == (1, "active")

    def test_needs_what_a_submission_needs(self) -> None:
        viewer = factories.actor(role="viewer")
        with pytest.raises(exceptions.PermissionRefused):
            operations.create_schedule(viewer, "Work", {}, HOURLY)
        with pytest.raises(exceptions.ParametersInvalid):
            operations.create_schedule(factories.actor(), "Work", {"Nope": 1}, HOURLY)
        with pytest.raises(exceptions.TaskTypeUnknown):
            operations.create_schedule(factories.actor(), "Nope", {}, HOURLY)
        assert not Task.objects.exists()

    @pytest.mark.parametrize(
        "wrong, field",
        [
            ({"expression": "0 0 24 * * ?"}, "expression"),
            ({"expression": "0 0 0 31 2 ?"}, "expression"),
            ({"expression": "0 0 0 1 1 ? 1999"}, "expression"),
            ({"expression": "0 0 0 * * ?" + " " * 500}, "expression"),
            ({"expression": "0 0 0 * * ?\0"}, "expression"),
            ({"ends_at": clock.now() - DAY}, "expression"),
            ({"starts_at": clock.now() + DAY, "ends_at": clock.now()}, "ends_at"),
            ({"max_runs": 0}, "max_runs"),
            ({"max_runs": 2**40}, "max_runs"),
            ({"overlap": "perhaps"}, "overlap"),
            ({"missed": "perhaps"}, "missed"),
        ],
    )
    def test_refuses_times_that_are_none_and_names_the_field(
        self, wrong: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(exceptions.ScheduleInvalid) as refusal:
            made(**wrong)
        assert list(refusal.value.problems) == [field]
        assert not Task.objects.exists()

    def test_seals_secrets(self) -> None:
        operations.create_schedule(factories.actor(), "Work", {"Secret": "s3cret!"}, HOURLY)
        assert "s3cret!" not in str(Task.objects.get().parameters)


class TestEditing:
    def test_changes_what_is_given_from_the_next_time_on(self) -> None:
        actor, schedule = made(max_runs=5)
        updated_at = schedule.updated_at
        edited = operations.edit_schedule(
            actor,
            schedule.pk,
            title="Nightly",
            parameters={"Steps": 3},
            expression="0 0 0 1 1 ?",
        )
        edited.refresh_from_db()
        assert (edited.task.title, edited.max_runs, edited.generation) == ("Nightly", 5, 2)
        assert edited.task.parameters["Steps"] == 3
        assert edited.next_at is not None
        assert (edited.next_at.month, edited.next_at.day) == (1, 1)
        assert edited.updated_at > updated_at

    def test_keeps_a_secret_that_comes_back_masked(self) -> None:
        actor = factories.actor()
        schedule = operations.create_schedule(actor, "Work", {"Secret": "s3cret!"}, HOURLY)
        masked = secrets.mask(schedule.task.parameters)
        assert masked["Secret"] == secrets.MASK

        operations.edit_schedule(actor, schedule.pk, parameters={**masked, "Steps": 3})

        stored = secrets.unseal(Task.objects.get().parameters)
        assert (stored["Secret"], stored["Steps"]) == ("s3cret!", 3)

    def test_takes_a_mask_for_no_secret_where_none_is_stored(self) -> None:
        actor, schedule = made()
        with pytest.raises(exceptions.ParametersInvalid, match="stands for a secret"):
            operations.edit_schedule(actor, schedule.pk, parameters={"Secret": secrets.MASK})
        with pytest.raises(exceptions.ParametersInvalid, match="stands for a secret"):
            operations.submit(actor, "Work", {"Secret": secrets.MASK})

    def test_merges_parameters_where_that_is_asked_for(self) -> None:
        actor, schedule = made()

        operations.edit_schedule(actor, schedule.pk, parameters={"Secret": "new"}, merge=True)
        assert secrets.unseal(Task.objects.get().parameters)["Steps"] == 2
        operations.edit_schedule(actor, schedule.pk, parameters={"Steps": None}, merge=True)
        assert Task.objects.get().parameters.get("Steps") != 2

    def test_starts_and_stops_it_with_its_other_changes(self) -> None:
        actor, schedule = made()
        paused = operations.edit_schedule(actor, schedule.pk, title="a", active=False)
        assert (paused.state, paused.next_at, paused.generation) == ("paused", None, 2)
        active = operations.edit_schedule(actor, schedule.pk, active=True)
        assert active.state == "active"
        assert active.next_at is not None

    def test_takes_a_limit_away(self) -> None:
        actor, schedule = made(max_runs=5)
        assert operations.edit_schedule(actor, schedule.pk, max_runs=None).max_runs is None

    def test_that_is_refused_changes_nothing(self) -> None:
        actor, schedule = made()
        before = Schedule.objects.values().get()
        with pytest.raises(exceptions.ScheduleInvalid):
            operations.edit_schedule(actor, schedule.pk, title="New", expression="nonsense")
        with pytest.raises(exceptions.ParametersInvalid):
            operations.edit_schedule(actor, schedule.pk, title="New", parameters={"Nope": 1})
        assert Schedule.objects.values().get() == before
        assert Task.objects.get().title == ""

    def test_repairs_a_broken_one_and_wakes_a_completed_one(self) -> None:
        actor, schedule = made()
        for state in ("broken", "completed"):
            Schedule.objects.update(state=state, next_at=None, problem="It broke.")
            edited = operations.edit_schedule(actor, schedule.pk, expression="0 0 0 * * ?")
            assert (edited.state, edited.problem) == ("active", "")
            assert edited.next_at is not None

    def test_of_a_paused_one_leaves_it_paused(self) -> None:
        actor, schedule = made()
        operations.pause_schedule(actor, schedule.pk)
        edited = operations.edit_schedule(actor, schedule.pk, expression="0 0 0 * * ?")
        assert (edited.state, edited.next_at) == ("paused", None)

    def test_is_for_who_may_start_the_type(self) -> None:
        actor, schedule = made()
        viewer = factories.actor(role="viewer", account=actor.account)
        stranger = factories.actor()
        for do in (
            operations.edit_schedule,
            operations.pause_schedule,
            operations.resume_schedule,
            operations.delete_schedule,
            operations.run_schedule_now,
        ):
            with pytest.raises(exceptions.PermissionRefused):
                do(viewer, schedule.pk)
            with pytest.raises(exceptions.ScheduleNotFound):
                do(stranger, schedule.pk)
        assert Schedule.objects.get().generation == 1


class TestPausing:
    def test_stops_the_times_and_resuming_makes_nothing_up(self) -> None:
        actor, schedule = made()
        assert operations.pause_schedule(actor, schedule.pk).next_at is None
        Schedule.objects.update(last_at=clock.now() - DAY)
        assert scheduling.fire_due() == 0

        resumed = operations.resume_schedule(actor, schedule.pk)

        assert resumed.state == "active"
        assert resumed.next_at is not None
        assert resumed.next_at > clock.now()
        assert not TaskStatus.objects.exists()

    def test_twice_is_once(self) -> None:
        actor, schedule = made()
        assert operations.pause_schedule(actor, schedule.pk).generation == 2
        assert operations.pause_schedule(actor, schedule.pk).generation == 2
        assert operations.resume_schedule(actor, schedule.pk).generation == 3
        assert operations.resume_schedule(actor, schedule.pk).generation == 3

    def test_of_one_that_has_ended_is_refused(self) -> None:
        actor, schedule = made()
        Schedule.objects.update(state="completed", next_at=None)
        with pytest.raises(exceptions.ScheduleConflict):
            operations.pause_schedule(actor, schedule.pk)


class TestDeleting:
    def test_takes_the_schedule_at_once_and_its_runs_with_the_next_flush(self) -> None:
        actor, schedule = made()
        done = factories.run(State.SUCCEEDED, owner=actor, task=schedule.task)
        other = factories.run(State.SUCCEEDED, owner=actor)

        operations.delete_schedule(actor, schedule.pk)

        with pytest.raises(exceptions.ScheduleNotFound):
            queries.get_schedule(actor, schedule.pk)
        done.refresh_from_db()
        other.refresh_from_db()
        assert done.expires_at is not None
        assert other.expires_at is not None
        assert done.expires_at <= clock.now() < other.expires_at

    @pytest.mark.parametrize("state", sorted(PENDING | STANDING))
    def test_cancels_runs_that_no_worker_has(self, state: State) -> None:
        actor, schedule = made()
        run = factories.run(state, owner=actor, task=schedule.task)

        operations.delete_schedule(actor, schedule.pk)

        run.refresh_from_db()
        assert run.state == State.CANCELLED

    @pytest.mark.parametrize("state", sorted(HELD))
    def test_waits_for_a_run_that_is_under_way(self, state: State) -> None:
        actor, schedule = made()
        factories.run(state, owner=actor, task=schedule.task)
        with pytest.raises(exceptions.ScheduleConflict):
            operations.delete_schedule(actor, schedule.pk)
        assert Schedule.objects.exists()

    @pytest.mark.parametrize("due", [None, clock.now() - timedelta(days=60)], ids=["now", "due"])
    def test_waits_for_a_run_that_has_many_beside_it(self, due: datetime | None) -> None:
        actor, schedule = made()
        beside: list[TaskStatus] = []
        factories.run(State.RUNNING, owner=actor, task=schedule.task, scheduled_for=due)
        done = factories.run(State.SUCCEEDED, owner=actor, task=schedule.task)
        for number in range(500):
            done.pk, done.position = uuid.uuid4(), clock.position()
            done.scheduled_for = None if due else clock.now() + timedelta(seconds=number)
            beside.append(copy(done))
        TaskStatus.objects.bulk_create(beside)
        with pytest.raises(exceptions.ScheduleConflict):
            operations.delete_schedule(actor, schedule.pk)

    def test_of_one_that_the_installation_needs_is_refused(self) -> None:
        actor, schedule = made()
        Schedule.objects.update(protected=True)
        with pytest.raises(exceptions.ScheduleConflict):
            operations.delete_schedule(actor, schedule.pk)

    def test_leaves_no_task_behind_without_a_run(self) -> None:
        actor, schedule = made()
        operations.delete_schedule(actor, schedule.pk)
        assert not Task.objects.exists()


class TestRunningNow:
    def test_makes_a_run_of_the_task_beside_its_times(self) -> None:
        actor, schedule = made()
        submission = operations.run_schedule_now(actor, schedule.pk)

        run = TaskStatus.objects.get()
        assert (run.pk, run.task_id, run.state) == (submission.run_id, schedule.pk, State.QUEUED)
        after = Schedule.objects.get()
        assert after.next_at == schedule.next_at
        assert after.last_run_id == run.pk

    def test_keeps_the_next_time_from_overlapping(self) -> None:
        actor, schedule = made()
        operations.run_schedule_now(actor, schedule.pk)
        Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))

        scheduling.fire_due()

        assert TaskStatus.objects.filter(state=State.SKIPPED).count() == 1


def test_an_account_sees_its_own_schedules_and_what_handlers_show() -> None:
    owner = factories.actor()
    operations.create_schedule(owner, "Work", {}, HOURLY)
    hidden = operations.create_schedule(owner, "OwnersWork", {}, HOURLY)
    colleague = factories.actor(account=owner.account)

    assert queries.visible_schedules(owner).count() == 2
    assert hidden not in queries.visible_schedules(colleague)
    assert queries.visible_schedules(colleague).count() == 1
    assert not queries.visible_schedules(factories.actor()).exists()
