"""`list_runs`, `show_run`, `cancel_run`, `retry_run`: an operator over all accounts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.core.management import CommandError
from pytest_django import DjangoAssertNumQueries

from backgroundtasks import operations
from backgroundtasks.models import Message, TaskStatus, Worker
from backgroundtasks.states import FINAL, State
from tests.support import factories

pytestmark = pytest.mark.django_db


class TestListRuns:
    def test_lists_the_newest_first_over_all_accounts(self, shell: Callable[..., str]) -> None:
        first, second, third = (factories.run() for _ in range(3))

        lines = shell("list_runs").splitlines()

        assert lines[0].split() == ["ID", "STATE", "TYPE", "OWNER", "QUEUED", "DONE", "TITLE"]
        assert [line.split()[0] for line in lines[1:]] == [
            str(run.pk) for run in (third, second, first)
        ]

    def test_writes_json_for_scripts(self, shell: Callable[..., str]) -> None:
        run = factories.run(State.FAILED, processed=3, total=10)

        listed = json.loads(shell("list_runs", "--json"))

        assert [one["id"] for one in listed] == [str(run.pk)]
        assert listed[0]["state"] == "failed"
        assert listed[0]["error"] == "It failed."
        assert (listed[0]["processed"], listed[0]["total"]) == (3, 10)
        assert listed[0]["account"] == str(run.account_id)

    @pytest.mark.parametrize("state", list(State))
    def test_filters_by_state(self, shell: Callable[..., str], state: State) -> None:
        runs = {one: factories.run(one) for one in State}

        listed = json.loads(shell("list_runs", "--json", "--state", state.value))

        assert [one["id"] for one in listed] == [str(runs[state].pk)]

    def test_filters_by_several_states_at_once(self, shell: Callable[..., str]) -> None:
        runs = {one: factories.run(one) for one in State}

        listed = json.loads(shell("list_runs", "--json", "--state", "unfinished", "succeeded"))

        wanted = {str(run.pk) for state, run in runs.items() if state not in FINAL}
        assert {one["id"] for one in listed} == wanted | {str(runs[State.SUCCEEDED].pk)}

    def test_filters_by_type_in_any_letter_case_and_by_account(
        self, shell: Callable[..., str]
    ) -> None:
        here, other_type, elsewhere = (
            factories.run(),
            factories.run(task_type="SideWork"),
            factories.run(),
        )

        of_type = json.loads(shell("list_runs", "--json", "--type", "work"))
        of_account = json.loads(shell("list_runs", "--json", "--account", here.account_id))

        assert {one["id"] for one in of_type} == {str(here.pk), str(elsewhere.pk)}
        assert [one["id"] for one in of_account] == [str(here.pk)]
        assert str(other_type.pk) not in str(of_type)

    def test_filters_by_labels(self, shell: Callable[..., str]) -> None:
        core = factories.run(labels={"team": "core", "level": "1"})
        other = factories.run(labels={"team": "web"})
        factories.run()

        def listed(*words: str) -> set[str]:
            return {one["id"] for one in json.loads(shell("list_runs", "--json", *words))}

        assert listed("--label", "team") == {str(core.pk), str(other.pk)}
        assert listed("--label", "team=core") == {str(core.pk)}
        assert listed("--label", "team=web", "--label", "level") == set()

    def test_stops_at_the_limit(self, shell: Callable[..., str]) -> None:
        runs = [factories.run() for _ in range(3)]

        listed = json.loads(shell("list_runs", "--json", "--limit", "2"))

        assert [one["id"] for one in listed] == [str(runs[2].pk), str(runs[1].pk)]

    def test_asks_the_database_once_an_account(
        self, shell: Callable[..., str], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        owner = factories.actor()
        for _ in range(5):
            factories.run(owner=owner)

        with django_assert_num_queries(3):  # the superuser, the accounts, the runs
            shell("list_runs")

    def test_refuses_a_limit_of_none(self, shell: Callable[..., str]) -> None:
        with pytest.raises(CommandError) as refusal:
            shell("list_runs", "--limit", "0")

        assert str(refusal.value) == "--limit must be at least 1."
        assert refusal.value.returncode == 2


class TestShowRun:
    @pytest.mark.parametrize(
        "spelling", ["{0}", "{0.hex}", "work-{0}", "work_{0}", "work-{0.hex}", " {0} "]
    )
    def test_takes_every_spelling_of_an_id(self, shell: Callable[..., str], spelling: str) -> None:
        run = factories.run()

        shown = shell("show_run", spelling.format(run.pk))

        assert shown.splitlines()[0] == f"id: {run.pk}"

    def test_takes_upper_case(self, shell: Callable[..., str]) -> None:
        run = factories.run()

        assert str(run.pk) in shell("show_run", str(run.pk).upper())

    def test_masks_secret_parameters(self, shell: Callable[..., str]) -> None:
        submission = operations.submit(
            factories.actor(), "Work", {"Secret": "hunter2", "Mark": "seen"}
        )

        shown = shell("show_run", submission.run_id, "--json")

        assert json.loads(shown)["parameters"]["Secret"] == "********"
        assert json.loads(shown)["parameters"]["Mark"] == "seen"
        assert "hunter2" not in shown
        assert "$sealed" not in shown

    def test_shows_messages_attempts_and_the_retry(self, shell: Callable[..., str]) -> None:
        owner = factories.actor()
        run = factories.run(State.FAILED, owner=owner)
        Message.objects.create(run=run, level="warning", key="a.b", text="Careful.", attempt=1)
        again = operations.retry(owner, run.pk)

        shown = json.loads(shell("show_run", run.pk, "--json"))

        assert [one["outcome"] for one in shown["attempts"]] == ["failed"]
        assert shown["messages"][0]["text"] == "Careful."
        assert shown["retried_as"] == [str(again.run_id)]
        assert json.loads(shell("show_run", again.run_id, "--json"))["retry_of"] == str(run.pk)

    def test_shows_labels_what_it_works_on_and_its_family(self, shell: Callable[..., str]) -> None:
        parent = factories.run(State.WAITING, labels={"team": "core"})
        parent.task.resource = {"id": "7", "name": "Shop", "kind": "project", "path": ""}
        parent.task.save()
        child = factories.run(parent=parent, child_key="a", task=parent.task)
        TaskStatus.objects.filter(pk=child.pk).update(account=parent.account_id)

        shown = json.loads(shell("show_run", parent.pk, "--json"))

        assert shown["labels"] == {"team": "core"}
        assert shown["resource"]["name"] == "Shop"
        assert shown["children"] == [{"id": str(child.pk), "type": "Work", "state": "queued"}]
        assert json.loads(shell("show_run", child.pk, "--json"))["parent"] == str(parent.pk)

    def test_names_the_process_that_has_the_run(self, shell: Callable[..., str]) -> None:
        worker = Worker.objects.create(host="mill", host_id="x", pid=4711)
        run = factories.run(State.RUNNING, worker_id=worker.pk)

        shown = json.loads(shell("show_run", run.pk, "--json"))

        assert shown["worker"] == "mill:4711"
        assert [attempt["worker"] for attempt in shown["attempts"]] == ["mill:4711"]

    @pytest.mark.parametrize(
        "spelling", ["7", "work-", "5d0c9a86-1f0e-4d1e-9f0b-0c3c7a0e6f11", "reindex-zz"]
    )
    def test_says_that_there_is_no_such_run(self, shell: Callable[..., str], spelling: str) -> None:
        with pytest.raises(CommandError) as refusal:
            shell("show_run", spelling)

        assert str(refusal.value) == f"There is no run {spelling}."
        assert refusal.value.returncode == 1

    def test_shows_what_a_handler_hides_from_others(self, shell: Callable[..., str]) -> None:
        run = factories.run(task_type="OwnersWork")

        assert str(run.pk) in shell("show_run", run.pk)


class TestCancelRun:
    def test_cancels_waiting_runs_at_once_and_asks_running_ones(
        self, shell: Callable[..., str]
    ) -> None:
        waiting, running = factories.run(), factories.run(State.RUNNING)

        printed = shell("cancel_run", waiting.pk, running.pk)

        assert printed == f"{waiting.pk} cancelled\n{running.pk} cancelling\n"
        waiting.refresh_from_db()
        assert waiting.state == State.CANCELLED
        assert waiting.error == "Cancelled by root."

    def test_goes_on_after_one_that_cannot_be(
        self, shell: Callable[..., str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        finished, waiting = factories.run(State.SUCCEEDED), factories.run()

        with pytest.raises(CommandError) as refusal:
            shell("cancel_run", finished.pk, waiting.pk)

        assert str(refusal.value) == (
            f"The run {finished.pk} is succeeded; it cannot become cancelled."
        )
        assert capsys.readouterr().out == f"{waiting.pk} cancelled\n"


class TestPauseAndResumeRun:
    def test_pause_running_and_waiting_runs_and_resume_them(
        self, shell: Callable[..., str]
    ) -> None:
        running = factories.run(State.RUNNING, task_type="PausableWork")
        waiting = factories.run(State.WAITING)

        paused = shell("pause_run", running.pk, waiting.pk)
        resumed = shell("resume_run", running.pk, waiting.pk)

        assert paused == f"{running.pk} pausing\n{waiting.pk} paused\n"
        assert resumed == f"{running.pk} running\n{waiting.pk} queued\n"

    @pytest.mark.parametrize("command", ["pause_run", "resume_run"])
    def test_go_on_after_one_that_cannot_be(
        self, shell: Callable[..., str], capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        finished, paused = factories.run(State.SUCCEEDED), factories.run(State.PAUSED)

        with pytest.raises(CommandError) as refusal:
            shell(command, finished.pk, paused.pk)

        assert str(refusal.value).startswith(f"The run {finished.pk} is succeeded; it cannot")
        assert capsys.readouterr().out.startswith(f"{paused.pk} ")


class TestRetryRun:
    def test_prints_the_new_run(self, shell: Callable[..., str]) -> None:
        old = factories.run(State.LOST)

        printed = shell("retry_run", f"work-{old.pk}")

        new = TaskStatus.objects.get(pk=printed.strip())
        assert new.retry_of_id == old.pk
        assert new.state == State.QUEUED

    def test_refuses_one_that_has_not_finished(self, shell: Callable[..., str]) -> None:
        run = factories.run()

        with pytest.raises(CommandError) as refusal:
            shell("retry_run", run.pk)

        assert str(refusal.value) == f"The run {run.pk} is queued; it cannot become queued."
        assert TaskStatus.objects.count() == 1


def test_a_shell_without_a_superuser_says_so(db: None) -> None:
    from django.core.management import call_command

    with pytest.raises(CommandError) as refusal:
        call_command("list_runs")

    assert str(refusal.value) == (
        "There is no active superuser to act as: run manage.py bootstrap first."
    )
