"""Schedules in the admin: made where tasks are started, edited, paused, run and deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client

from backgroundtasks import clock, operations, scheduling
from backgroundtasks.handlers import Actor
from backgroundtasks.models import Schedule, TaskStatus
from backgroundtasks.operations import Timing
from tests.support import factories

pytestmark = pytest.mark.django_db

SCHEDULES = "/admin/backgroundtasks/schedule/"


@pytest.fixture
def schedule(root: Actor) -> Schedule:
    return operations.create_schedule(
        root, "Work", {"Secret": "s3cret!"}, Timing("0 0 4 * * ?"), title="Nightly"
    )


def told(client: Client, path: str, data: dict[str, Any]) -> list[str]:
    client.cookies.pop("messages", None)
    answer = client.post(path, data)
    assert answer.status_code == 302, answer.content.decode()
    return [str(message) for message in get_messages(answer.wsgi_request)]


def form(**changed: str) -> dict[str, str]:
    return {
        "expression": "0 0 4 * * ?",
        "starts_at_0": "",
        "starts_at_1": "",
        "ends_at_0": "",
        "ends_at_1": "",
        "max_runs": "",
        "overlap": "skip",
        "missed": "once",
        **changed,
    }


def test_lists_the_accounts_schedules_with_their_next_time(
    admin: Client, schedule: Schedule
) -> None:
    other = factories.actor()
    operations.create_schedule(other, "Work", {}, Timing("0 0 5 * * ?"), title="Foreign")

    page = admin.get(SCHEDULES).content.decode()

    assert "Nightly" in page
    assert "0 0 4 * * ?" in page
    assert "Foreign" not in page


def test_shows_one_with_its_runs_and_without_secrets(admin: Client, schedule: Schedule) -> None:
    Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))
    scheduling.fire_due()

    page = admin.get(f"{SCHEDULES}{schedule.pk}/change/").content.decode()

    assert str(TaskStatus.objects.get().pk) in page
    assert "s3cret!" not in page
    assert "********" in page


def test_is_edited_from_its_next_time_on(admin: Client, schedule: Schedule) -> None:
    path = f"{SCHEDULES}{schedule.pk}/change/"
    answer = admin.post(path, form(expression="0 30 5 * * ?", max_runs="7"))
    assert answer.status_code == 302, answer.content.decode()

    schedule.refresh_from_db()
    assert (schedule.expression, schedule.max_runs, schedule.generation) == ("0 30 5 * * ?", 7, 2)
    assert schedule.next_at is not None
    assert (schedule.next_at.hour, schedule.next_at.minute) == (5, 30)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"expression": "0 0 24 * * ?"}, "position 4"),
        ({"expression": ""}, "required"),
        ({"ends_at_0": "2001-01-01", "ends_at_1": "00:00:00"}, "Never fires"),
        ({"max_runs": "0"}, "number of 1"),
    ],
)
def test_an_edit_that_makes_no_schedule_is_refused_at_its_field(
    admin: Client, schedule: Schedule, changed: dict[str, str], said: str
) -> None:
    answer = admin.post(f"{SCHEDULES}{schedule.pk}/change/", form(**changed))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    schedule.refresh_from_db()
    assert (schedule.expression, schedule.generation) == ("0 0 4 * * ?", 1)


def test_actions_pause_resume_run_and_delete(admin: Client, schedule: Schedule) -> None:
    def act(name: str) -> list[str]:
        return told(admin, SCHEDULES, {"action": name, "_selected_action": str(schedule.pk)})

    assert act("pause") == ["Nightly is paused; what runs, runs on."]
    assert Schedule.objects.get().state == "paused"
    assert act("resume") == ["Nightly goes on."]
    assert Schedule.objects.get().state == "active"
    assert act("run_now") == ["Nightly is queued now, too."]
    assert TaskStatus.objects.get().task_id == schedule.pk
    assert act("delete") == ["Nightly is deleted."]
    assert not Schedule.objects.exists()


def test_is_made_on_the_page_that_starts_tasks(admin: Client, root: Actor) -> None:
    path = "/admin/backgroundtasks/task/add/?type=ShortWork"
    refused = admin.post(path, {"expression": "0 0 24 * * ?"})
    assert refused.status_code == 200
    assert "position 4" in refused.content.decode()
    assert not Schedule.objects.exists()

    answer = admin.post(
        path,
        {
            "expression": "0 0 4 * * ?",
            "title": "Nightly",
            "Steps": "0",
            "Sleep": "0",
            "Block": "0",
            "Transaction": "0",
            "KillAtAttempt": "0",
        },
    )

    assert answer.status_code == 302, answer.content.decode()
    made = Schedule.objects.get()
    assert answer["Location"] == f"{SCHEDULES}{made.pk}/change/"
    assert not TaskStatus.objects.exists()
    assert admin.get(answer["Location"]).status_code == 200


def test_staff_without_the_permission_look_but_do_not_touch(
    desk: Client, staff: Actor, schedule: Schedule
) -> None:
    own = operations.create_schedule(staff, "Work", {}, Timing("0 0 4 * * ?"), title="Own")
    staff.user.user_permissions.add(Permission.objects.get(codename="view_schedule"))

    page = desk.get(f"{SCHEDULES}{own.pk}/change/")
    assert page.status_code == 200
    assert 'name="expression"' not in page.content.decode()
    assert desk.post(f"{SCHEDULES}{own.pk}/change/", form()).status_code == 403
    # Of another account: as if there were none.
    assert desk.get(f"{SCHEDULES}{schedule.pk}/change/").status_code == 302
    assert Schedule.objects.filter(generation=1).count() == 2
