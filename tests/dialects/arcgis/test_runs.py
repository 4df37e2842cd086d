"""`/system/tasks/<id>/runs`: the list, one run, how it is ended, noted and deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock, operations, queries
from backgroundtasks.api.arcgis.vocabulary import RUN_STATUS
from backgroundtasks.lifecycle import flushing
from backgroundtasks.models import Edition, Message, Schedule, TaskStatus
from backgroundtasks.states import FINAL, GOOD, HELD, State
from tests.support import factories
from tests.support.arcgis import TASKS, Script, code, made, system

pytestmark = pytest.mark.django_db

UNFINISHED = [state for state in State if state not in FINAL]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def runs(script: Script) -> str:
    """The path of the runs of a new task."""
    return f"{TASKS}/{made(script)}/runs"


def stored(script: Script, state: State = State.QUEUED, **values: Any) -> TaskStatus:
    """Return a run of the newest task."""
    schedule = Schedule.objects.latest("created_at")
    actor = queries.actor_of(script.user, system().pk)
    return factories.run(
        state, owner=actor, task=schedule.task, task_type=schedule.task.task_type, **values
    )


class TestList:
    def test_is_an_envelope_newest_first_under_both_names(self, script: Script, runs: str) -> None:
        ids = [stored(script, state).pk.hex for state in (State.SUCCEEDED, State.RUNNING)]

        said = script.get(runs)

        assert set(said) == {"result", "runs", "total", "num", "start", "nextStart"}
        assert [one["runId"] for one in said["result"]] == ids[::-1]
        assert said["runs"] == said["result"]
        assert (said["total"], said["nextStart"]) == (2, 0)
        assert script.get(runs, num=1)["nextStart"] == 1

    def test_each_run_shows_its_task(self, script: Script, runs: str) -> None:
        stored(script)
        task = script.get(runs.removesuffix("/runs"))

        assert script.get(runs)["result"][0]["task"] == task

    def test_it_costs_the_same_number_of_queries_however_long_it_is(
        self, script: Script, runs: str
    ) -> None:
        def asked(count: int) -> int:
            for n in range(count):
                stored(script, list(State)[n % len(State)])
            script.get(runs)  # what is asked once is asked now
            with CaptureQueriesContext(connection) as queries_made:
                assert len(script.get(runs)["result"]) == TaskStatus.objects.count()
            return len(queries_made)

        assert asked(1) == asked(20)

    def test_its_page_leads_to_each_run(self, script: Script, runs: str) -> None:
        run = stored(script, State.SUCCEEDED, text="<b>Done</b>")

        page = script.client.get(runs, {"token": script.token}).content.decode()

        assert f'href="{runs}/{run.pk.hex}"' in page
        assert "&lt;b&gt;Done" in page


class TestRun:
    @pytest.mark.parametrize("state", list(State))
    def test_every_state_has_its_word(self, script: Script, runs: str, state: State) -> None:
        run = stored(script, state)

        said = script.get(f"{runs}/{run.pk.hex}")

        assert said["status"] == RUN_STATUS[state]
        assert ("finished" in said) == (state in FINAL)
        assert said["result"] == run.error

    def test_has_every_documented_member(self, script: Script, runs: str) -> None:
        run = stored(
            script, State.WARNED, text="Cleaned.", result={"values": {}, "warnings": ["1 is left."]}
        )

        said = script.get(f"{runs}/{run.pk.hex}")

        assert set(said) >= {"runId", "status", "result", "url", "created", "modified", "task"}
        assert (said["runId"], said["url"]) == (run.pk.hex, "")
        assert said["result"] == "Cleaned.\n1 is left."
        assert said["created"] == int(run.queued_at.timestamp() * 1000)
        assert said["percentComplete"] == 100
        assert said["task"]["taskId"] == run.task_id.hex

    def test_of_another_task_is_404(self, script: Script, runs: str) -> None:
        run = stored(script, State.SUCCEEDED)
        other = f"{TASKS}/{made(script)}/runs/{run.pk.hex}"

        assert code(script.get(other)) == 404
        for operation in ("update", "delete"):
            assert code(script.post(f"{other}/{operation}", status="failed")) == 404
        assert code(script.get(f"{runs}/{'0' * 32}")) == 404
        assert code(script.get(f"{runs}/x")) == 404


class TestItsTask:
    def test_is_what_it_was_when_the_run_began(self, script: Script, runs: str) -> None:
        task = runs.removesuffix("/runs")
        before = script.get(task)
        first = stored(script, State.SUCCEEDED, text="Done.")
        script.post(f"{task}/update", title="b", hour="5", parameters='{"passcode": "another-one"}')
        between = script.get(task)
        second = stored(script, State.RUNNING)
        script.post(f"{task}/update", title="c", endDate=4_102_444_800_000)
        third = stored(script)

        after = script.get(task)
        listed = {one["runId"]: one["task"] for one in script.get(runs)["result"]}

        assert after["title"] == "c"
        for run, shown in ((first, before), (second, between), (third, after)):
            # When it fires next is no past.
            expected = {name: one for name, one in shown.items() if name != "nextStart"}
            alone = script.get(f"{runs}/{run.pk.hex}")["task"]
            assert alone == listed[run.pk.hex]
            assert {name: alone[name] for name in expected} == expected

    def test_keeps_nothing_that_no_run_shows(self, script: Script, runs: str) -> None:
        task = runs.removesuffix("/runs")
        script.post(f"{task}/update", title="b")
        assert not Edition.objects.exists()
        run = stored(script, State.SUCCEEDED)
        script.post(f"{task}/update", title="c")
        assert "open-sesame" not in str(Edition.objects.get().values)
        assert "$sealed" not in str(Edition.objects.get().values)

        script.post(f"{runs}/{run.pk.hex}/delete")
        stored(script, State.SUCCEEDED)
        script.post(f"{task}/update", title="d")

        assert [one.values["title"] for one in Edition.objects.all()] == ["c"]
        script.post(f"{task}/delete")
        TaskStatus.objects.update(expires_at=clock.now() - timedelta(seconds=1))
        flushing.flush()
        assert not Edition.objects.exists()


class TestUpdate:
    @pytest.mark.parametrize("state", UNFINISHED)
    @pytest.mark.parametrize(
        "status, expected",
        [
            ("succeeded", State.SUCCEEDED),
            ("failed", State.FAILED),
            ("submitfailed", State.FAILED),
            ("skipped", State.CANCELLED),
        ],
    )
    def test_a_status_ends_a_run_that_has_not_finished(
        self, script: Script, runs: str, state: State, status: str, expected: State
    ) -> None:
        run = stored(script, state)

        said = script.post(f"{runs}/{run.pk.hex}/update", status=status, result="By hand.")

        assert said == {
            "status": "success",
            "success": True,
            "taskId": run.task_id.hex,
            "runId": run.pk.hex,
            "id": run.pk.hex,
        }
        run.refresh_from_db()
        if state in HELD and expected == State.CANCELLED:
            assert run.state == State.CANCELLING  # its worker is asked to stop
        else:
            assert run.state == expected
            assert script.get(f"{runs}/{run.pk.hex}")["result"] == "By hand."

    @pytest.mark.parametrize("name", ["result", "results"])
    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_of_a_finished_one_the_text_alone_changes(
        self, script: Script, runs: str, state: State, name: str
    ) -> None:
        """One of the vendor's clients sends `results`."""
        run = stored(script, state)
        before = script.get(f"{runs}/{run.pk.hex}")

        script.post(f"{runs}/{run.pk.hex}/update", status=RUN_STATUS[state], **{name: "Seen."})

        after = script.get(f"{runs}/{run.pk.hex}")
        assert after["result"] == "Seen."
        assert after["modified"] > before["modified"]
        kept = {name: value for name, value in after.items() if name not in {"result", "modified"}}
        assert kept == {name: before[name] for name in kept}
        run.refresh_from_db()
        assert (run.state, run.error) == (state, run.error)

    def test_a_finished_one_keeps_its_status(self, script: Script, runs: str) -> None:
        run = stored(script, State.SUCCEEDED)

        said = script.post(f"{runs}/{run.pk.hex}/update", status="failed", result="No.")

        assert code(said) == 400
        assert script.get(f"{runs}/{run.pk.hex}")["status"] == "succeeded"
        assert script.get(f"{runs}/{run.pk.hex}")["result"] == ""

    @pytest.mark.parametrize(
        "form",
        [
            {"status": "done"},
            {"status": "scheduled"},
            {"result": "Not yet."},
            {"status": "executing", "result": "Not yet."},
            {"status": "succeeded", "result": "x" * 10_001},
        ],
    )
    def test_what_means_nothing_for_a_running_one_is_400(
        self, script: Script, runs: str, form: dict[str, str]
    ) -> None:
        run = stored(script, State.RUNNING)

        assert code(script.post(f"{runs}/{run.pk.hex}/update", **form)) == 400
        run.refresh_from_db()
        assert (run.state, run.remark) == (State.RUNNING, None)

    def test_nothing_sent_changes_nothing(self, script: Script, runs: str) -> None:
        run = stored(script, State.RUNNING)

        assert script.post(f"{runs}/{run.pk.hex}/update", status="executing")["success"] is True
        assert script.post(f"{runs}/{run.pk.hex}/update")["success"] is True
        before, _ = run.event, run.refresh_from_db()
        assert run.event == before

    def test_its_form_shows_what_is(self, script: Script, runs: str) -> None:
        run = stored(script, State.SUCCEEDED, text="All done.")

        page = script.client.get(f"{runs}/{run.pk.hex}/update", {"token": script.token})

        assert {field.name: field.value for field in page.context["form"].fields} == {
            "status": "succeeded",
            "result": "All done.",
        }


class TestDelete:
    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_a_finished_one_goes_with_what_it_said(
        self, script: Script, runs: str, state: State
    ) -> None:
        run = stored(script, state)
        Message.objects.create(run=run, level="info", key="k", text="t", attempt=1)

        assert script.post(f"{runs}/{run.pk.hex}/delete")["runId"] == run.pk.hex

        assert code(script.get(f"{runs}/{run.pk.hex}")) == 404
        assert not Message.objects.exists()
        assert Schedule.objects.exists()  # the task stays

    @pytest.mark.parametrize("state", UNFINISHED)
    def test_one_that_has_not_finished_is_400(
        self, script: Script, runs: str, state: State
    ) -> None:
        run = stored(script, state)

        assert code(script.post(f"{runs}/{run.pk.hex}/delete")) == 400
        assert TaskStatus.objects.get().state == state

    def test_what_an_unfinished_parent_needs_stays(self, script: Script) -> None:
        actor = queries.actor_of(script.user, system().pk)
        parent = factories.run(State.WAITING, owner=actor)
        child = factories.run(State.SUCCEEDED, owner=actor, parent=parent, child_key="a")

        assert code(script.post(f"{TASKS}/{child.task_id.hex}/runs/{child.pk.hex}/delete")) == 400
        assert TaskStatus.objects.filter(pk=child.pk).exists()

    def test_the_last_run_of_a_task_without_schedule_takes_it_along(self, script: Script) -> None:
        actor = queries.actor_of(script.user, system().pk)
        run = factories.run(State.SUCCEEDED, owner=actor)

        script.post(f"{TASKS}/{run.task_id.hex}/runs/{run.pk.hex}/delete")

        assert code(script.get(f"{TASKS}/{run.task_id.hex}")) == 404


def test_a_remark_is_for_who_may_start_the_type_and_for_finished_runs() -> None:
    from backgroundtasks import exceptions

    owner, viewer = factories.actor(), None
    run = factories.run(State.SUCCEEDED, owner=owner)
    viewer = factories.actor("viewer", account=owner.account)

    with pytest.raises(exceptions.PermissionRefused):
        operations.remark(viewer, run.pk, "Mine.")
    with pytest.raises(exceptions.PermissionRefused):
        operations.delete_run(viewer, run.pk)
    operations.remark(owner, run.pk, "Seen.")

    run.refresh_from_db()
    assert (run.remark, run.state in GOOD, run.modified_at <= clock.now()) == ("Seen.", True, True)
