"""`/jobs`: runs of installation-wide tasks as ArcGIS' jobs."""

from __future__ import annotations

import pytest

from backgroundtasks import clock
from backgroundtasks.api.arcgis.jobs import JOB_STATUS, job_id
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.arcgis import ROOT, Script, code, system, user

pytestmark = pytest.mark.django_db

JOBS = f"{ROOT}/jobs"


def run(state: State, **values: object) -> TaskStatus:
    made = factories.run(state, **values)
    made.account = made.task.account = system()
    made.task.save()
    made.save()
    return made


def test_every_state_has_a_word_and_none_is_both_final_and_not() -> None:
    assert set(JOB_STATUS) == set(State)
    final = {JOB_STATUS[state] for state in FINAL}
    assert not final & {JOB_STATUS[state] for state in set(State) - FINAL}


@pytest.mark.parametrize("state", State)
def test_a_job_is_shown_as_documented(state: State) -> None:
    made = run(state, task_type="CleanGPJobs")

    said = Script().get(f"{JOBS}/{job_id(made.pk)}")

    assert said["jobid"] == job_id(made.pk)
    assert said["status"] == JOB_STATUS[state]
    assert (said["endtime"] == 0) == (state not in FINAL)
    assert said["starttime"] <= said["updatedtime"] + 1000
    assert said["username"] == made.owner.username
    assert said["operationURI"] == f"/system/tasks/{made.task_id.hex}"
    assert said["result"] == made.error


def test_the_list_has_the_newest_first_and_pages() -> None:
    made = [run(State.SUCCEEDED) for _ in range(3)]
    newest = [job_id(one.pk) for one in reversed(made)]
    script = Script()

    assert script.get(JOBS)["jobs"] == newest
    page = script.get(JOBS, start=1, num=1)
    assert (page["jobs"], page["nextStart"], page["total"]) == (newest[1:2], 2, 3)


def test_jobs_of_other_accounts_are_none() -> None:
    elsewhere = factories.run(State.SUCCEEDED)
    script = Script()

    assert script.get(JOBS)["jobs"] == []
    assert code(script.get(f"{JOBS}/{job_id(elsewhere.pk)}")) == 404


@pytest.mark.parametrize("spelling", ["{0}", "j{0}", "j{0.hex}", "J{0.hex}"])
def test_a_job_is_found_in_any_spelling_of_its_id(spelling: str) -> None:
    made = run(State.SUCCEEDED)

    assert Script().get(f"{JOBS}/{spelling.format(made.pk)}")["jobid"] == job_id(made.pk)


@pytest.mark.parametrize("bad", ["x", "j", "jj" + "0" * 32, "0" * 31, "j" + "0" * 32])
def test_what_is_no_job_is_404(bad: str) -> None:
    assert code(Script().get(f"{JOBS}/{bad}")) == 404


def test_it_needs_security_and_infrastructure() -> None:
    assert code(Script(user(operator=False)).get(JOBS)) == 403


def test_its_page_shows_times_for_people() -> None:
    made = run(State.SUCCEEDED)
    script = Script()

    page = script.client.get(f"{JOBS}/{job_id(made.pk)}", {"token": script.token}).text

    assert f"{clock.now():%Y-%m-%d}" in page
    assert "COMPLETED" in page
