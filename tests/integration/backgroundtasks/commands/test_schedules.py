"""Schedules from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError

from backgroundtasks.models import Schedule, TaskStatus
from tests.support import factories

pytestmark = pytest.mark.django_db

Shell = Callable[..., str]
NIGHTLY = ("Work", "0 0 4 * * ?", "--user=member")


@pytest.fixture(autouse=True)
def member() -> None:
    factories.actor(username="member")


def test_schedules_a_task_and_prints_its_id(shell: Shell) -> None:
    printed = shell(
        "schedule_task",
        *NIGHTLY,
        '--parameters={"Steps": 2}',
        "--label=team=qa",
        "--title=Nightly",
        "--ends=2999-01-01",
        "--max-runs=3",
        "--overlap=queue",
        "--missed=skip",
    )

    schedule = Schedule.objects.get()
    assert UUID(printed.split()[0]) == schedule.pk
    assert (schedule.max_runs, schedule.overlap, schedule.missed) == (3, "queue", "skip")
    assert schedule.ends_at is not None
    assert (schedule.task.title, schedule.task.labels) == ("Nightly", {"team": "qa"})
    assert schedule.task.parameters["Steps"] == 2


@pytest.mark.parametrize(
    "words, said",
    [
        (("Work", "0 0 24 * * ?", "--user=member"), "position 4"),
        (("Nope", "0 0 4 * * ?", "--user=member"), "Nope"),
        ((*NIGHTLY, "--ends=2001-01-01"), "Never fires"),
        ((*NIGHTLY, "--parameters={"), "no JSON"),
        ((*NIGHTLY, "--starts=soon"), "soon"),
        ((*NIGHTLY, "--max-runs=0"), "max_runs"),
    ],
)
def test_refuses_in_one_line_what_makes_no_schedule(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        shell("schedule_task", *words)
    assert not Schedule.objects.exists()


def test_lists_them_in_a_table_and_for_programs(shell: Shell) -> None:
    shell("schedule_task", *NIGHTLY, "--title=Nightly")
    schedule = Schedule.objects.get()

    heads, line = shell("list_schedules").splitlines()
    assert heads.split()[:4] == ["ID", "STATE", "TYPE", "EXPRESSION"]
    assert line.startswith(f"{schedule.pk}  active  Work  0 0 4 * * ?  ")
    (one,) = json.loads(shell("list_schedules", "--json"))
    assert (one["id"], one["expression"], one["runs"]) == (str(schedule.pk), "0 0 4 * * ?", 0)
    assert json.loads(shell("list_schedules", "--json", "--state", "broken")) == []
    assert json.loads(shell("list_schedules", "--json", f"--account={uuid4()}")) == []


def test_pauses_resumes_runs_and_deletes(shell: Shell) -> None:
    shell("schedule_task", *NIGHTLY)
    pk = str(Schedule.objects.get().pk)

    assert shell("pause_schedule", pk).split() == [pk, "paused"]
    assert shell("resume_schedule", pk).startswith(f"{pk} active, next 2")
    started = shell("run_schedule", pk).strip()
    assert TaskStatus.objects.get().pk == UUID(started)
    assert shell("delete_schedule", pk).split() == [pk, "deleted"]
    assert not Schedule.objects.exists()


def test_one_that_is_unknown_stops_none_of_the_others(shell: Shell) -> None:
    shell("schedule_task", *NIGHTLY)
    pk = str(Schedule.objects.get().pk)
    unknown = str(uuid4())

    with pytest.raises(CommandError) as refusal:
        shell("pause_schedule", unknown, "nonsense", pk)

    assert unknown in str(refusal.value)
    assert "nonsense" in str(refusal.value)
    assert Schedule.objects.get().state == "paused"
