"""Operators' commands as real processes: exit codes, what stands where, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import ROOT, WorkerCommand, environment

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def root() -> None:
    factories.actor("admin", username="root", is_superuser=True)


def command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "manage.py", *words)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["show_run", "nonsense"], 1, "CommandError: There is no run nonsense."),
        (["submit_task", "Nothing"], 1, "CommandError: There is no task type 'Nothing'."),
        (["submit_task", "Work", "--parameters", "["], 2, "CommandError: --parameters is no JSON"),
        (["check_worker"], 1, "CommandError: No worker has ever run here"),
    ],
)
def test_an_error_is_one_line_on_standard_error(words: list[str], code: int, said: str) -> None:
    ended = run(*words)

    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


def test_a_shell_waits_and_tells_how_it_ended() -> None:
    with WorkerCommand(workers=1):
        good = run("submit_task", "Work", "--parameters", '{"Steps": 30}', "--wait")
        bad = run("submit_task", "Work", "--parameters", '{"Fail": "Disk full."}', "--wait")

    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines()[1] == "succeeded"
    assert good.stderr.splitlines()[-1].startswith("succeeded 30/30")
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[1] == "failed"
    assert bad.stderr.splitlines()[-1] == "CommandError: Disk full."


def test_ctrl_c_stops_the_waiting_and_not_the_run() -> None:
    waiting = subprocess.Popen(
        command("submit_task", "Work", "--wait"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As in a terminal, also where the suite itself runs in the background of a shell.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert waiting.stdout is not None
        assert waiting.stderr is not None
        run_id = waiting.stdout.readline().strip()
        assert waiting.stderr.readline() == "queued 0\n"
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)
    finally:
        if waiting.poll() is None:
            waiting.kill()
            waiting.wait()

    assert waiting.returncode == 130
    assert said == (
        "CommandError: Not waiting any longer; the run goes on. Look at it with manage.py "
        f"show_run {run_id}, stop it with manage.py cancel_run {run_id}.\n"
    )
    assert TaskStatus.objects.get(pk=run_id).state == State.QUEUED
    with WorkerCommand(workers=1):
        wait_for(
            lambda: TaskStatus.objects.get(pk=run_id).state == State.SUCCEEDED, "the run to end"
        )
