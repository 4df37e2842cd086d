"""`check_worker`, `pause_queue`, `resume_queue`, `list_handlers`, `create_client`, `flush_runs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from backgroundtasks import clock
from backgroundtasks.models import OAuthClient, Queue, Task, TaskStatus, Worker
from backgroundtasks.operations.issue_token import digest
from backgroundtasks.states import State
from backgroundtasks.worker.supervisor import Supervisor
from tests.support import factories

pytestmark = pytest.mark.django_db


def beat(ago: float = 0) -> None:
    Worker.objects.create(
        host="here", host_id="boot", pid=7, beat_at=clock.now() - timedelta(seconds=ago)
    )


def waiting_for(seconds: float, **values: object) -> TaskStatus:
    return factories.run(run_after=clock.now() - timedelta(seconds=seconds), **values)


class TestCheckWorker:
    def test_is_content_when_a_worker_beats_and_nothing_waits(
        self, shell: Callable[..., str]
    ) -> None:
        beat()
        waiting_for(seconds=5)

        assert shell("check_worker") == "All well. Workers that beat: 1; no run waits too long.\n"

    def test_says_that_no_worker_beats(self, shell: Callable[..., str]) -> None:
        with pytest.raises(CommandError) as never:
            shell("check_worker")
        beat(ago=120)
        with pytest.raises(CommandError) as no_more:
            shell("check_worker")

        assert str(never.value) == "No worker has ever run here: start manage.py runworkers."
        assert str(no_more.value) == "No worker beats; the last one was heard of 120 s ago."

    def test_says_which_queue_is_late(self, shell: Callable[..., str]) -> None:
        beat()
        waiting_for(seconds=90)

        with pytest.raises(CommandError) as refusal:
            shell("check_worker", "--max-age", "30")

        assert str(refusal.value) == (
            "Workers that beat: 1, but the oldest run in the queue default has waited 90 s."
        )
        assert refusal.value.returncode == 1
        assert shell("check_worker", "--max-age", "100").startswith("All well")

    def test_does_not_count_what_cannot_be_claimed(self, shell: Callable[..., str]) -> None:
        beat()
        Queue.objects.create(name="side", paused_at=clock.now())
        waiting_for(seconds=90, queue="side")
        factories.run(State.RUNNING, exclusive_key="one")
        waiting_for(seconds=90, exclusive_key="one")

        assert shell("check_worker").startswith("All well")


class TestQueues:
    def test_pauses_and_resumes(self, shell: Callable[..., str]) -> None:
        assert shell("pause_queue", "side") == "The queue side is paused.\n"
        assert shell("pause_queue", "side") == "The queue side was already paused.\n"
        assert Queue.objects.get(name="side").paused_at is not None
        assert shell("resume_queue", "side") == "The queue side goes on.\n"
        assert shell("resume_queue", "side") == "The queue side was not paused.\n"
        assert Queue.objects.get(name="side").paused_at is None

    @pytest.mark.parametrize("command", ["pause_queue", "resume_queue"])
    def test_refuses_a_queue_that_nobody_knows(
        self, shell: Callable[..., str], command: str
    ) -> None:
        with pytest.raises(CommandError) as refusal:
            shell(command, "defualt")

        assert str(refusal.value).startswith("There is no queue 'defualt'; there are: default, ")
        assert not Queue.objects.filter(name="defualt").exists()


def test_list_handlers_names_every_task_type(shell: Callable[..., str]) -> None:
    listed = {one["type"]: one for one in json.loads(shell("list_handlers", "--json"))}
    table = shell("list_handlers")

    assert listed["SideWork"]["queue"] == "side"
    assert listed["AgainWork"]["attempts"] == 3
    assert listed["QuickTimeout"]["timeout"] == 1
    assert "Steps" in listed["Work"]["parameters"]
    assert listed["Work"]["permissions"] == ['Role("member")']
    assert "nobody may start it" in table
    assert "Do what the parameters order, once" in table


def test_create_client_prints_id_and_secret(shell: Callable[..., str]) -> None:
    alice = factories.UserFactory.create(username="alice")

    printed = shell("create_client", "CI", "alice", "--scope", "tasks:read")

    values = dict(line.split("=", 1) for line in printed.splitlines())
    client = OAuthClient.objects.get(pk=values["client_id"])
    assert client.user == alice
    assert client.scope == "tasks:read"
    assert client.secret_digest == digest(values["client_secret"])


def test_flush_runs_deletes_what_has_expired_and_nothing_else(
    shell: Callable[..., str],
) -> None:
    expired = factories.run(State.SUCCEEDED, expires_at=clock.now() - timedelta(seconds=1))
    kept = factories.run(State.SUCCEEDED)

    assert shell("flush_runs") == "Flushed 1 runs.\n"

    assert list(TaskStatus.objects.all()) == [kept]
    assert not Task.objects.filter(pk=expired.task_id).exists()


class TestRunWorkers:
    @pytest.mark.parametrize("number", [0, -1])
    def test_refuses_no_workers_instead_of_taking_the_usual_number(
        self, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Supervisor, "run", lambda _: 0)

        with pytest.raises(CommandError) as refusal:
            call_command("runworkers", f"--workers={number}")

        assert str(refusal.value) == f"--workers: at least 1, not {number}."
        assert refusal.value.returncode == 2
