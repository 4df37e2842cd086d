"""`manage.py submit_task`, without and with --wait."""

from __future__ import annotations

import io
from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from backgroundtasks.management import waiting
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def membership(root: User) -> None:
    factories.MembershipFactory.create(user=root, role="admin")


class Worker:
    """Takes the place of the pause between two looks: does the next step of the run."""

    def __init__(self, *steps: dict[str, object]) -> None:
        self.steps = list(steps)

    def sleep(self, _seconds: float) -> None:
        step = self.steps.pop(0)
        if "interrupt" in step:
            raise KeyboardInterrupt
        TaskStatus.objects.update(**step)


def test_prints_the_id_and_nothing_else(shell: Callable[..., str]) -> None:
    printed = shell("submit_task", "work", "--parameters", '{"Steps": 3}')

    run = TaskStatus.objects.select_related("task", "owner").get(pk=UUID(printed.strip()))
    assert run.task_type == "Work"
    assert run.task.parameters["Steps"] == 3
    assert run.task.origin == "command"
    assert run.owner is not None
    assert run.owner.username == "root"


def test_acts_as_another_user_in_the_named_account(shell: Callable[..., str]) -> None:
    alice = factories.actor(username="alice")
    second = factories.MembershipFactory.create(user=alice.user, is_default=False).account

    printed = shell("submit_task", "Work", "--user", "alice", "--account", second.pk)

    run = TaskStatus.objects.get(pk=printed.strip())
    assert run.account_id == second.pk
    assert run.owner_id == alice.user.pk


def test_labels_the_task(shell: Callable[..., str]) -> None:
    printed = shell("submit_task", "Work", "--label", "team=core", "--label", "note=a=b")

    run = TaskStatus.objects.select_related("task").get(pk=printed.strip())
    assert run.task.labels == {"team": "core", "note": "a=b"}


def test_reads_parameters_from_standard_input(
    shell: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"Secret": "hunter2"}'))

    printed = shell("submit_task", "Work", "--parameters", "-")

    stored = TaskStatus.objects.select_related("task").get(pk=printed.strip()).task.parameters
    assert "$sealed" in stored["Secret"]


@pytest.mark.parametrize(
    "words, said, code",
    [
        (["Nothing"], "There is no task type 'Nothing'.", 1),
        (["Work", "--parameters", "{"], "--parameters is no JSON: ", 2),
        (["Work", "--label", "team"], "--label is written NAME=VALUE, not 'team'.", 2),
        (["Work", "--label", "=core"], "A label has a name.", 1),
        (["Work", "--parameters", "[]"], "--parameters must be an object: ", 2),
        (
            ["Work", "--parameters", '{"Steps": "many"}'],
            "The parameters of Work are not valid. Steps: A valid integer is required.",
            1,
        ),
        (["Work", "--parameters", '{"Stops": 1}'], "The parameters of Work are not valid. ", 1),
        (["NobodysWork"], "You may not start NobodysWork: ", 1),
        (["Work", "--user", "nobody"], "There is no user 'nobody'.", 1),
    ],
)
def test_refuses_in_one_line_and_stores_nothing(
    shell: Callable[..., str], words: list[str], said: str, code: int
) -> None:
    with pytest.raises(CommandError) as refusal:
        shell("submit_task", *words)

    assert str(refusal.value).startswith(said)
    assert "\n" not in str(refusal.value)
    assert refusal.value.returncode == code
    assert not TaskStatus.objects.exists()


def test_waits_and_shows_a_line_a_change(
    monkeypatch: pytest.MonkeyPatch, root: User, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(
        {"state": State.RUNNING, "processed": 1, "total": 4, "text": "Reading"},
        {"processed": 2},
        {"state": State.SUCCEEDED, "processed": 4},
    )
    monkeypatch.setattr(waiting, "time", worker)

    call_command("submit_task", "Work", "--wait")

    printed = capsys.readouterr()
    run = TaskStatus.objects.get()
    assert printed.out == f"{run.pk}\nsucceeded\n"
    assert printed.err.splitlines() == [
        "queued 0",
        "running 1/4 Reading",
        "succeeded 4/4 Reading",
    ]


def test_draws_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, root: User) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(
        waiting, "time", Worker({"state": State.SUCCEEDED, "processed": 4, "total": 4})
    )

    call_command("submit_task", "Work", "--wait", stderr=terminal)

    drawn = terminal.getvalue()
    assert "\r" in drawn
    assert "succeeded: 100%" in drawn
    assert "4/4" in drawn


def test_fails_with_the_error_of_a_run_that_failed(
    shell: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "time", Worker({"state": State.FAILED, "error": "Disk full."}))

    with pytest.raises(CommandError) as refusal:
        shell("submit_task", "Work", "--wait")

    assert str(refusal.value) == "Disk full."
    assert refusal.value.returncode == 1


def test_a_run_with_warnings_ended_well(
    monkeypatch: pytest.MonkeyPatch, root: User, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {"values": {}, "warnings": ["Two were skipped."]}
    monkeypatch.setattr(waiting, "time", Worker({"state": State.WARNED, "result": result}))

    call_command("submit_task", "Work", "--wait")

    assert "Warning: Two were skipped." in capsys.readouterr().err


def test_ctrl_c_leaves_the_run_alone_and_says_so(
    shell: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "time", Worker({"state": State.RUNNING}, {"interrupt": True}))

    with pytest.raises(CommandError) as refusal:
        shell("submit_task", "Work", "--wait")

    run = TaskStatus.objects.get()
    assert run.state == State.RUNNING
    assert run.cancel_requested_at is None
    assert str(refusal.value) == (
        "Not waiting any longer; the run goes on. Look at it with manage.py show_run "
        f"{run.pk}, stop it with manage.py cancel_run {run.pk}."
    )
    assert refusal.value.returncode == 130
