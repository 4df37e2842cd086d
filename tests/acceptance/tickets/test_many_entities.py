"""A sample project is made, copied in bulk, exported and deleted while its workers are killed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from indexing.models import Document, Relationship
from tests.support import factories
from tests.support.http import Server, token
from tests.support.projects import PackageFactory
from tests.support.uploads import files_in
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, kill
from tickets.models import AutomatedTest, Project, ResultNode, ScriptAssignment, StepResult

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

SIZE = {
    "Packages": 3,
    "AutomatedTests": 40,
    "RunsPerTest": 5,
    "ResultsPerRun": 100,
    "Scripts": 1_000,
    "AgileRuns": 10,
    "Incidents": 10,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the processes a file store of the test's own."""
    folder = tmp_path / "files"
    monkeypatch.setenv("TASKCENTER_FILES_DIR", str(folder))
    return folder


@pytest.fixture
def api(files: Path) -> Iterator[httpx.Client]:
    """Return an administrator's client of a real server."""
    headers = {"Authorization": f"Bearer {token(factories.actor('admin').user)}"}
    with Server() as server, httpx.Client(base_url=server.url, headers=headers, timeout=60) as api:
        yield api


class Killing:
    """Starts tasks, kills their worker once something has happened, and waits for their end."""

    def __init__(self, api: httpx.Client, command: WorkerCommand) -> None:
        self._api = api
        self._command = command

    def __call__(self, happened: Callable[[], Any], task_type: str, **parameters: Any) -> Any:
        start = {"Type": task_type, "Parameters": parameters}
        answer = self._api.post("/api/backgroundtasks", json=start)
        assert answer.status_code == 202, answer.text
        where = answer.json()["Self"]
        run = TaskStatus.objects.get(pk=where[-36:])
        wait_for(happened, f"{task_type} to do something", limit=60)
        kill(self._command.workers()[0].pid)
        wait_for(
            lambda: TaskStatus.objects.get(pk=run.pk).state in FINAL,
            f"{task_type}'s end",
            limit=120,
        )
        run.refresh_from_db()
        assert run.state == State.SUCCEEDED, run.error
        assert Attempt.objects.get(run=run, number=1).outcome == "died"
        body = self._api.get(where).json()
        assert (body["Complete"], body["ProcessedElements"]) == (True, body["TotalElements"])
        return body


def test_what_is_done_to_many_entities_is_done_once_however_often_its_worker_is_killed(
    api: httpx.Client, files: Path
) -> None:
    with WorkerCommand(workers=1) as command:
        until = Killing(api, command)
        made = until(ResultNode.objects.exists, "GenerateTestProject", Name="Shop", **SIZE)
        assert ResultNode.objects.filter(is_case=True).count() == 40 * 5 * 100
        steps = StepResult.objects.count()
        assert ScriptAssignment.objects.count() == 1_000
        assert made["TotalElements"] > 20_000

        target = api.post(
            "/api/executionpackages", json={"Name": "Copies", "ProjectId": made["ProjectId"]}
        ).json()
        copied = until(
            lambda: ScriptAssignment.objects.filter(package=target["Id"]).exists(),
            "bulkaction",
            commandName="BulkCopy",
            targetPackageId=target["Id"],
            tql="EntityType = TestScriptAssignment",
        )
        assert copied["DoneElements"] == 1_000
        assert ScriptAssignment.objects.filter(package=target["Id"]).count() == 1_000
        assert StepResult.objects.count() == steps
        found = api.get("/api/search", params={"tql": "Package = Copies"}).json()
        assert found["Total"] == 1_000

        before = ResultNode.objects.count() + ScriptAssignment.objects.count()

        def some_are_gone_and_none_is_seen() -> bool:
            assert api.get(f"/api/project/{made['ProjectId']}").status_code == 404
            assert api.get("/api/search", params={"tql": "Name ~ 'is'"}).json()["Total"] == 0
            return ResultNode.objects.count() + ScriptAssignment.objects.count() < before

        assert api.get("/api/search", params={"tql": "Name ~ 'is'"}).json()["Total"] > 1_000
        deleted = until(
            some_are_gone_and_none_is_seen,
            "DeleteProject",
            ProjectId=made["ProjectId"],
        )

    assert deleted["TotalElements"] > made["TotalElements"]
    assert not Project.objects.exists()
    for model in (ResultNode, ScriptAssignment, StepResult, Document, Relationship):
        assert not model._base_manager.exists(), model
    assert not files_in(files)


def test_moves_exports_and_deletions_in_bulk_are_complete_after_their_worker_was_killed(
    api: httpx.Client, files: Path
) -> None:
    made = api.post("/api/projects", json={"Name": "Shop"}).json()
    project = Project.objects.get(pk=made["Id"])
    here, there = PackageFactory.create_batch(2, project=project)
    tests = AutomatedTest.objects.bulk_create(
        AutomatedTest(account=project.account, project=project, package=here, name=f"Test {number}")
        for number in range(20_000)
    )
    selected = [{"Id": str(test.pk), "Type": "AutomatedTest"} for test in tests]
    some, others = selected[:2_000], {test.pk for test in tests[2_000:]}
    placed = AutomatedTest.objects.values_list("pk", flat=True)

    with WorkerCommand(workers=1) as command:
        until = Killing(api, command)
        moved = until(
            lambda: placed.filter(package=there).exists(),
            "bulkaction",
            commandName="BulkMove",
            targetPackageId=str(there.pk),
            selections=some,
        )
        assert moved["DoneElements"] == 2_000
        assert {str(pk) for pk in placed.filter(package=there)} == {one["Id"] for one in some}
        assert set(placed.filter(package=here)) == others

        exported = until(
            lambda: TaskStatus.objects.filter(state=State.RUNNING).exists(),
            "bulkaction",
            commandName="CsvExport",
            selections=selected,
        )
        assert exported["DoneElements"] == 20_000
        file = api.get(f"/api/exportfile/{exported['FileName']}").content.decode("utf-8-sig")
        lines = list(csv.DictReader(io.StringIO(file)))
        assert [line["Id"] for line in lines] == [one["Id"] for one in selected]

        deleted = until(
            lambda: placed.count() < len(tests),
            "bulkaction",
            commandName="BulkDelete",
            selections=some,
        )
        assert deleted["DoneElements"] == 2_000

    assert set(placed) == others
    assert not Document.objects.filter(entity_type="AutomatedTest").exists()
    assert [file.name for file in files_in(files)] == [exported["FileName"][7:-4].replace("-", "")]
