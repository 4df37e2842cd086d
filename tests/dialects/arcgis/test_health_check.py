"""`/healthCheck`: suites, runs of them, and reports, as ArcGIS' clients ask for them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backgroundtasks import operations, queries
from backgroundtasks.api.arcgis import health_check
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance.handlers.create_health_check_reports import (
    CreateHealthCheckReports,
)
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.arcgis import ROOT, Script, code, system, user
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db

HEALTH = f"{ROOT}/healthCheck"
WISH = {"suiteIds": "BSHC-001", "runName": "weekly"}


@pytest.fixture
def script(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    # There is no worker: who waits, waits in vain.
    monkeypatch.setattr(health_check, "_PATIENCE", 0.0)
    return Script()


def report(result: str = "passed", state: State = State.SUCCEEDED) -> TaskStatus:
    checks = [{"name": "workers", "result": result, "text": "2 workers beat."}]
    values = {"name": "weekly-1", "result": result, "checks": checks}
    made = factories.run(state, task_type="CreateHealthCheckReports", parameters={"name": "weekly"})
    made.account = made.task.account = system()
    made.task.save()
    made.result = {"values": values, "warnings": []} if state != State.FAILED else None
    made.save()
    return made


def test_the_suite_names_every_check(script: Script) -> None:
    [suite] = script.get(f"{HEALTH}/suites")["userSuites"]

    assert suite == script.get(f"{HEALTH}/suites/{suite['id']}")
    names = {test["name"] for test in suite["generalTests"]}
    made = perform(CreateHealthCheckReports, {"name": "weekly", "suiteIds": suite["id"]})
    assert names == {check["name"] for check in made.result["checks"]}
    assert names == set(health_check._DESCRIPTIONS)
    assert code(script.get(f"{HEALTH}/suites/BSHC-002")) == 404


class TestRunning:
    def test_asynchronously_a_job_is_the_answer(self, script: Script) -> None:
        said = script.post(f"{HEALTH}/run", **WISH, **{"async": "true"})

        assert set(said) == {"jobsUrl", "jobid"}
        assert script.get(f"{ROOT}/jobs/{said['jobid']}")["operationURI"] == "/healthCheck/run"

    def test_what_nobody_does_in_time_is_a_job_too(self, script: Script) -> None:
        assert set(script.post(f"{HEALTH}/run", **WISH)) == {"jobsUrl", "jobid"}

    @pytest.mark.django_db(transaction=True)
    def test_synchronously_the_report_is_the_answer(
        self, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health_check, "_PATIENCE", 30.0)
        said: dict[str, Any] = {}

        def ask() -> None:
            said.update(script.post(f"{HEALTH}/run", **WISH))
            connection.close()

        asking = threading.Thread(target=ask)
        asking.start()
        run = wait_for(TaskStatus.objects.first, "the run")
        actor = queries.actor_of(script.user, system().pk)
        operations.settle(actor, run.pk, lambda _: operations.Settlement(State.SUCCEEDED))
        asking.join()

        assert said["reportUrl"] == f"/reports/{run.pk.hex}"
        assert script.get(f"{HEALTH}{said['reportUrl']}")["id"] == run.pk.hex

    @pytest.mark.parametrize(
        "change",
        [
            {"suiteIds": ""},
            {"suiteIds": "BSHC-002"},
            {"suiteIds": "BSHC-001,OSHC-001"},
            {"runName": ""},
            {"runName": "../x"},
            {"async": "perhaps"},
        ],
        ids=str,
    )
    def test_what_cannot_be_is_400(self, script: Script, change: dict[str, str]) -> None:
        assert code(script.post(f"{HEALTH}/run", **(WISH | change))) == 400
        assert not TaskStatus.objects.exists()


class TestReports:
    def test_one_is_shown_as_documented(self, script: Script) -> None:
        made = report("warning", State.WARNED)

        said = script.get(f"{HEALTH}/reports/{made.pk.hex}")

        assert (said["owner"], said["result"]) == (made.owner.username, "warning")
        [suite] = said["suiteStatus"]
        [test] = suite["criticalTestStatus"]
        assert suite["result"] == "warning"
        assert (test["name"], test["result"], test["severity"]) == (
            "workers",
            "warning",
            "critical",
        )
        assert test["message"] == "2 workers beat."

    def test_they_are_found_by_result(self, script: Script) -> None:
        made = {
            "passed": report("passed"),
            "failed": report("failed", State.WARNED),
            "warning": report("warning", State.WARNED),
            "unknown": report(state=State.FAILED),
        }
        for result, run in made.items():
            runs = script.get(f"{HEALTH}/reports/query", runResult=result)["runs"]
            assert [(one["id"], one["result"]) for one in runs] == [(run.pk.hex, result)]
        assert script.get(f"{HEALTH}/reports/query")["total"] == 4
        assert code(script.get(f"{HEALTH}/reports/query", runResult="bad")) == 400

    def test_the_vendors_client_gets_the_last_page_too(self, script: Script) -> None:
        """It asks on while `nextStart` is above 0, and drops the page on which it is not."""
        made = [report() for _ in range(5)]
        seen: list[str] = []
        start = 1
        while True:
            page = script.get(f"{HEALTH}/reports/query", start=start, num=2)
            if page["nextStart"] <= 0:
                break
            seen += [run["id"] for run in page["runs"]]
            start = page["nextStart"]

        assert seen == [run.pk.hex for run in reversed(made)]
        assert page == {"total": 5, "num": 0, "start": 6, "nextStart": -1, "runs": []}

    def test_unfinished_and_unknown_ones_are_none(self, script: Script) -> None:
        script.post(f"{HEALTH}/run", **WISH)
        pk = TaskStatus.objects.get().pk

        assert script.get(f"{HEALTH}/reports/query")["runs"] == []
        for path in (pk.hex, "x", "0" * 32):
            assert code(script.get(f"{HEALTH}/reports/{path}")) == 404

    def test_the_directory_leads_there(self, script: Script) -> None:
        made = report()
        pages = {
            HEALTH: "suites",
            f"{HEALTH}/run": "suiteIds",
            f"{HEALTH}/suites": "BSHC-001",
            f"{HEALTH}/reports": "query",
            f"{HEALTH}/reports/query": made.pk.hex,
            f"{HEALTH}/reports/{made.pk.hex}": "weekly-1",
        }
        for path, part in pages.items():
            page = script.client.get(path, {"token": script.token})
            assert page.status_code == 200, path
            assert part in page.text, path

    def test_it_needs_security_and_infrastructure(self, script: Script) -> None:
        assert code(Script(user(operator=False)).get(f"{HEALTH}/reports/query")) == 403
