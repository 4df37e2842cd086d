"""Edits of one schedule at one moment, and starts of one installation: each counts once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import conf, operations
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Account, Schedule, Task
from tests.support.arcgis import TASKS, Script, made

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5
EDITS: list[dict[str, Any]] = [
    {"title": "renamed"},
    {"hour": "5"},
    {"maxOccurrences": "7"},
    {"parameters": '{"description": "by the third"}'},
    {"parameters": '{"passcode": "another-one"}'},
    {"endDate": "4102444800000"},
]


def at_once(doings: list[Callable[[], Any]]) -> list[Any]:
    """Do several things at one moment; return what came out."""
    gate, done = threading.Barrier(len(doings)), []

    def work(do: Callable[[], Any]) -> None:
        try:
            gate.wait(30)
            done.append(do())
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[do]) for do in doings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return done


def test_edits_at_one_moment_all_count() -> None:
    script = Script()
    task_id = made(script)

    def editing(change: dict[str, Any]) -> Callable[[], Any]:
        return lambda: Script(script.user).post(f"{TASKS}/{task_id}/update", **change)

    said = at_once([editing(change) for change in EDITS])

    assert [one["success"] for one in said] == [True] * len(EDITS)
    task = script.get(f"{TASKS}/{task_id}")
    assert task["generation"] == 1 + len(EDITS)
    assert (task["title"], task["cronSchedule"]["hour"]) == ("renamed", "5")
    assert (task["maxOccurrences"], task["endDate"]) == (7, 4_102_444_800_000)
    assert task["parameters"]["description"] == "by the third"
    assert secrets.unseal(Task.objects.get().parameters)["passcode"] == "another-one"


def test_edits_of_single_cron_fields_at_one_moment_all_count() -> None:
    script = Script()
    # Tried against an edit that completes the fields with what it read before its lock: cron fields
    # were lost in three of three executions, on both databases.
    for number in range(ROUNDS):
        task_id = made(script)
        fields = {"minute": str(number), "hour": "5", "month": "3", "dayOfMonth": "7"}

        def editing(name: str, value: str, path: str = task_id) -> Callable[[], Any]:
            return lambda: Script(script.user).post(f"{TASKS}/{path}/update", **{name: value})

        said = at_once([editing(name, value) for name, value in fields.items()])

        assert [one["success"] for one in said] == [True] * len(fields)
        shown = script.get(f"{TASKS}/{task_id}")["cronSchedule"]
        assert {name: shown[name] for name in fields} == fields


def test_several_first_starts_at_one_moment_make_each_system_task_once(settings: Any) -> None:
    own = {"SYSTEM_TASKS": conf.DEFAULTS["SYSTEM_TASKS"]}
    settings.TASKCENTER = {**settings.TASKCENTER, **own}

    assert sum(at_once([operations.make_system_tasks] * 4)) == 2

    assert Schedule.objects.filter(protected=True).count() == 2
    assert Account.objects.filter(is_system=True).count() == 1
