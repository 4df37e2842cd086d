"""`bulkaction` (section 2.8) and `/api/exportfile/{filename}`: what is taken, refused, and shown."""

from __future__ import annotations

import errno
import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from backgroundtasks import clock, operations
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance.handlers.clean_gp_jobs import CleanGPJobs
from backgroundtasks.models import Schedule, Task, TaskStatus
from backgroundtasks.states import State
from indexing import documents
from tests.support import factories
from tests.support.drained import drain
from tests.support.factories import AccountFactory
from tests.support.http import Caller
from tests.support.projects import AutomatedTestFactory, PackageFactory, ProjectFactory
from tests.support.uploads import file_store, files_in
from tickets import conf, uploads
from tickets.handlers.bulkaction import BulkAction
from tickets.models import AutomatedTest, ExecutionPackage, Project

__all__ = ["file_store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

SOME = [{"Id": str(uuid.UUID(int=7)), "Type": "AutomatedTest"}]
HERE = "{here}"
FOREIGN = "{foreign}"


@pytest.fixture
def package(project: Project) -> ExecutionPackage:
    return PackageFactory.create(project=project)


def age_files(store: Path) -> None:
    """Let every file be older than any is kept."""
    age = (clock.now() - max(conf.EXPORTS_KEPT, conf.ABANDONED_AFTER)).timestamp() - 1
    for file in files_in(store):
        os.utime(file, (age, age))


def sent(caller: Caller, status: int, **parameters: Any) -> Any:
    answer = caller.post("/api/backgroundtasks", {"Type": "BulkAction", "Parameters": parameters})
    assert answer.status_code == status, answer.content
    return answer.json()


class TestOfASchedule:
    """A long selection lives as long as the schedule that fires again and again."""

    @pytest.fixture
    def many(self, project: Project) -> list[dict[str, str]]:
        tests = AutomatedTestFactory.create_batch(501, project=project)
        return [{"Id": str(test.pk), "Type": "AutomatedTest"} for test in tests]

    @pytest.fixture
    def schedule(self, caller: Caller, many: list[dict[str, str]]) -> Schedule:
        return operations.create_schedule(
            caller.actor,
            "bulkaction",
            {"commandName": "CsvExport", "selections": many},
            operations.Timing("0 0 0 * * ?"),
        )

    def test_is_there_at_the_second_time(self, caller: Caller, schedule: Schedule) -> None:
        for _ in range(2):
            operations.run_schedule_now(caller.actor, schedule.pk)
            drain()

        ended = [(run.state, run.result["values"]["Done"]) for run in TaskStatus.objects.all()]
        assert ended == [(State.SUCCEEDED, 501)] * 2

    def test_is_kept_by_the_cleaner_for_as_long_as_the_schedule_is_there(
        self, caller: Caller, schedule: Schedule, file_store: Path
    ) -> None:
        age_files(file_store)

        perform(CleanGPJobs, {})
        uploads.sweep(caller.actor.account.pk)
        assert len(files_in(file_store)) == 1

        operations.delete_schedule(caller.actor, schedule.pk)
        perform(CleanGPJobs, {})
        assert not files_in(file_store)

    def test_that_is_edited_is_kept_in_a_file_again(
        self, caller: Caller, schedule: Schedule, many: list[dict[str, str]], file_store: Path
    ) -> None:
        before = schedule.task.parameters["selectionFile"]

        operations.edit_schedule(
            caller.actor,
            schedule.pk,
            parameters={"commandName": "BulkDelete", "selections": many},
        )

        parameters = Task.objects.get().parameters
        assert parameters.keys() == {"commandName", "selectionFile"}
        assert parameters["selectionFile"] != before
        assert (file_store / parameters["selectionFile"]).read_text().count("\n") == 501

    def test_stays_when_something_else_of_it_is_edited(
        self, caller: Caller, schedule: Schedule
    ) -> None:
        before = schedule.task.parameters["selectionFile"]

        operations.edit_schedule(
            caller.actor, schedule.pk, parameters={"commandName": "BulkDelete"}, merge=True
        )

        parameters = Task.objects.get().parameters
        assert parameters == {"commandName": "BulkDelete", "selectionFile": before}


class TestStart:
    @pytest.mark.spec("enterprise_tester", "Bulk Actions", "POST")
    def test_takes_what_the_vendors_grid_sends(
        self, caller: Caller, project: Project, package: ExecutionPackage
    ) -> None:
        found = sent(
            caller,
            202,
            commandName="BulkCopy",
            scenarioName="BulkCopyScriptsScenario",
            targetId=str(package.pk),
            targetType="ExecutionPackage",
            targetPackageId=str(package.pk),
            sourcePackageId=str(package.pk),
            projectId=str(project.pk),
            selections=[{"Id": str(uuid.uuid4()).upper(), "Type": "Script", "Links": []}],
            retainStructure=True,
        )

        assert found["Id"].startswith("bulkaction-")
        stored = Task.objects.get().parameters
        assert stored["selections"][0]["Type"] == "TestScript"

    def test_takes_null_for_what_is_left_out(self, caller: Caller) -> None:
        sent(
            caller,
            202,
            commandName="bulkdelete",
            scenarioName=None,
            targetId=None,
            targetType=None,
            targetPackageId=None,
            sourcePackageId=None,
            projectId=None,
            selections=SOME,
            tql=None,
            retainStructure=None,
            selectionFile=None,
        )

        assert Task.objects.get().parameters["commandName"] == "BulkDelete"

    @pytest.mark.parametrize(
        "given, text",
        [
            ({}, "commandName: This field is required."),
            ({"commandName": "BulkPaint"}, 'commandName: "BulkPaint" is not a valid choice.'),
            ({"commandName": 5}, 'commandName: "5" is not a valid choice.'),
            (
                {"commandName": "BulkDelete", "scenarioName": "BulkCopyScriptsScenario"},
                "scenarioName: A scenario of BulkDelete is called BulkDelete…Scenario.",
            ),
            ({"commandName": "BulkDelete"}, "selections: Select something"),
            ({"commandName": "BulkDelete", "selections": []}, "selections: Select something"),
            ({"commandName": "BulkDelete", "selections": {}}, "selections: Must be a list."),
            ({"commandName": "BulkDelete", "selections": [1]}, "Number 0: Must be an object."),
            (
                {"commandName": "BulkDelete", "selections": [*SOME, {"Id": "x", "Type": "Script"}]},
                "selections: Number 1: Id: Must be a valid UUID.",
            ),
            (
                {"commandName": "BulkDelete", "selections": [{"Id": SOME[0]["Id"]}]},
                "selections: Number 0: Type: Must be a text.",
            ),
            (
                {"commandName": "BulkDelete", "selections": [{**SOME[0], "Type": "Poem"}]},
                "selections: Number 0: There is no entity type 'Poem'; there are AgileRun,",
            ),
            (
                {"commandName": "BulkDelete", "selections": [{**SOME[0], "Type": "Project"}]},
                "selections: A Project cannot be deleted by a bulkaction.",
            ),
            (
                {
                    "commandName": "BulkMove",
                    "selections": [{**SOME[0], "Type": "Script"}],
                    "targetId": HERE,
                },
                "selections: A TestScript cannot be moved by a bulkaction.",
            ),
            (
                {"commandName": "BulkDelete", "selections": SOME, "tql": "Name ~ x"},
                "tql: Give selections or this, not both.",
            ),
            ({"commandName": "BulkDelete", "tql": "Name ~"}, "tql: The query is not valid"),
            ({"commandName": "BulkDelete", "tql": "Colour = red"}, "tql: The query is not valid"),
            (
                {"commandName": "BulkDelete", "tql": "GROUP BY EntityType { COUNT }"},
                "GROUP BY selects no entities.",
            ),
            (
                {"commandName": "BulkCopy", "selections": SOME},
                "targetPackageId: This field is required.",
            ),
            (
                {"commandName": "BulkCopy", "selections": SOME, "targetPackageId": "x"},
                "targetPackageId: Must be a valid UUID.",
            ),
            (
                {"commandName": "BulkCopy", "selections": SOME, "targetPackageId": FOREIGN},
                "The execution package",
            ),
            (
                {
                    "commandName": "BulkCopy",
                    "selections": SOME,
                    "targetPackageId": HERE,
                    "targetId": str(uuid.UUID(int=1)),
                },
                "targetId: It is not the same as targetPackageId.",
            ),
            (
                {
                    "commandName": "BulkCopy",
                    "selections": SOME,
                    "targetId": HERE,
                    "targetType": "AutomatedTest",
                },
                "targetType: The target is an ExecutionPackage.",
            ),
            (
                {
                    "commandName": "BulkCopy",
                    "selections": SOME,
                    "targetId": HERE,
                    "retainStructure": True,
                },
                "sourcePackageId: It is required with retainStructure.",
            ),
            (
                {
                    "commandName": "BulkCopy",
                    "selections": SOME,
                    "targetId": HERE,
                    "sourcePackageId": FOREIGN,
                },
                "The execution package",
            ),
            (
                {
                    "commandName": "BulkDelete",
                    "selections": SOME,
                    "projectId": str(uuid.UUID(int=3)),
                },
                f"The project {uuid.UUID(int=3)} does not exist.",
            ),
            (
                {"commandName": "BulkDelete", "selections": SOME, "targetPackageId": HERE},
                "targetPackageId: Only for BulkCopy and BulkMove.",
            ),
            (
                {"commandName": "CsvExport", "selections": SOME, "retainStructure": True},
                "retainStructure: Only for BulkCopy and BulkMove.",
            ),
            (
                {"commandName": "BulkDelete", "selectionFile": "../../etc/passwd"},
                "selectionFile names no selection of this account.",
            ),
        ],
    )
    def test_refuses_what_cannot_be(
        self, caller: Caller, package: ExecutionPackage, given: dict[str, Any], text: str
    ) -> None:
        places = {HERE: str(package.pk), FOREIGN: str(PackageFactory.create().pk)}
        given = {
            name: places.get(value, value) if isinstance(value, str) else value
            for name, value in given.items()
        }

        assert text in sent(caller, 403, **given)["Message"]
        assert not TaskStatus.objects.exists()

    def test_refuses_a_package_of_another_project_than_was_named(
        self, caller: Caller, package: ExecutionPackage
    ) -> None:
        other = ProjectFactory.create(account=caller.actor.account)

        text = sent(
            caller,
            403,
            commandName="BulkCopy",
            selections=SOME,
            targetId=str(package.pk),
            projectId=str(other.pk),
        )["Message"]

        assert text == f"The execution package {package.pk} is in another project."

    def test_refuses_to_make_folders_again_in_another_project(
        self, caller: Caller, package: ExecutionPackage
    ) -> None:
        other = PackageFactory.create(project__account=caller.actor.account)

        text = sent(
            caller,
            403,
            commandName="BulkCopy",
            selections=SOME,
            targetId=str(package.pk),
            sourcePackageId=str(other.pk),
            retainStructure=True,
        )["Message"]

        assert text == "retainStructure: the two packages are of two projects."

    def test_takes_a_member(self, project: Project) -> None:
        viewer = Caller(factories.actor("viewer", project.account))

        text = sent(viewer, 403, commandName="CsvExport", selections=SOME)["Message"]

        assert "the role member" in text

    def test_of_100_000_entities_is_kept_in_a_file_of_the_account(
        self, caller: Caller, file_store: Path
    ) -> None:
        many = [
            {"Id": str(uuid.UUID(int=number)), "Type": "AutomatedTestAssignment"}
            for number in range(100_000)
        ]

        sent(caller, 202, commandName="BulkDelete", selections=many)

        parameters = Task.objects.get().parameters
        assert set(parameters) == {"commandName", "selectionFile"}
        [file] = files_in(file_store)
        assert file.read_text().count("\n") == 100_000
        assert caller.actor.account.pk.hex in str(file)

    def test_of_too_many_is_refused(self, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tickets.bulk.selection.MOST", 1)

        text = sent(caller, 403, commandName="BulkDelete", selections=SOME * 2)["Message"]

        assert "selections: At most 1 entities; these are 2." in text

    def test_works_on_a_selection_that_is_kept_in_a_file(
        self, caller: Caller, project: Project, file_store: Path
    ) -> None:
        tests = AutomatedTestFactory.create_batch(501, project=project)
        documents.index(AutomatedTest, [test.pk for test in tests])
        selected = [{"Id": str(test.pk), "Type": "AutomatedTest"} for test in tests]
        sent(caller, 202, commandName="BulkDelete", selections=selected)

        run = perform(BulkAction, Task.objects.get().parameters, account_id=caller.actor.account.pk)

        assert run.result == {"Done": 501}
        assert not AutomatedTest.objects.exists()
        assert not files_in(file_store)


class TestExportFile:
    @pytest.fixture
    def file(self, caller: Caller, project: Project) -> str:
        """Export a test; return the path of the file as the finished task shows it."""
        test = AutomatedTestFactory.create(project=project, name="Refund")
        chosen = [{"Id": str(test.pk), "Type": "AutomatedTest"}]
        parameters = {"commandName": "CsvExport", "selections": chosen}
        run = perform(BulkAction, parameters, account_id=project.account_id)
        task = factories.run(
            State.SUCCEEDED,
            owner=caller.actor,
            task_type="bulkaction",
            result={"values": run.result},
        )
        found = caller.get(f"/api/backgroundtask/bulkaction-{task.pk}").json()
        assert found["DoneElements"] == 1
        [link] = found["Links"]
        assert link["Rel"] == "ExportFile"
        assert link["Href"].endswith("/" + found["FileName"])
        path: str = link["Href"].removeprefix("http://testserver")
        return path

    @pytest.mark.spec("enterprise_tester", "Export File", "GET")
    def test_is_what_was_exported(self, caller: Caller, file: str) -> None:
        answer = caller.get(file)

        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"].startswith("attachment; filename=")
        assert answer["Cache-Control"] == "private, no-store"
        lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
        assert len(lines) == 2
        assert '"AutomatedTest"' in lines[1]
        assert '"Refund"' in lines[1]

    def test_is_for_readers_of_the_account(self, caller: Caller, file: str) -> None:
        viewer = Caller(factories.actor("viewer", caller.actor.account))
        stranger = Caller()

        assert viewer.get(file).status_code == 200
        answer = stranger.get(file)
        assert answer.status_code == 404
        assert answer.json()["Message"].endswith("does not exist.")
        assert Caller(authorization="Bearer nobody").get(file).status_code == 401

    @pytest.mark.spec("enterprise_tester", "Export File", "404")
    @pytest.mark.parametrize(
        "name",
        [
            f"export-{uuid.UUID(int=1)}.csv",
            "..%2f..%2fpasswd",
            "export-.csv",
            "x" * 300,
        ],
    )
    def test_of_another_name_is_404(self, caller: Caller, file: str, name: str) -> None:
        assert caller.get(f"/api/exportfile/{name}").status_code == 404

    def test_expires(
        self, caller: Caller, file: str, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [stored] = files_in(file_store)
        age = (clock.now() - conf.EXPORTS_KEPT).timestamp() - 1
        os.utime(stored, (age, age))

        assert caller.get(file).status_code == 404
        assert not files_in(file_store)

    def test_and_an_abandoned_selection_go_with_the_cleaner(
        self, caller: Caller, file: str, file_store: Path
    ) -> None:
        gone = AccountFactory.build(name="Gone").pk
        names = [
            uploads.new_name(account_id, uploads.SELECTIONS)
            for account_id in (caller.actor.account.pk, gone)
        ]
        for name in names:
            uploads.save(name, ContentFile(b"AutomatedTest 0\n"))
        age_files(file_store)
        uploads.save(uploads.new_name(gone, uploads.SELECTIONS), ContentFile(b"young"))

        run = perform(CleanGPJobs, {})

        assert (run.result, run.warnings) == (
            {"runs": 0, "files": 3, "attachments": 0},
            [],
        )
        [left] = files_in(file_store)
        assert left.read_bytes() == b"young"

    def test_a_file_store_that_is_away_is_told_and_keeps_nothing_else_from_being_cleaned(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any) -> Any:
            raise OSError(errno.ESTALE, "Stale file handle", "/store")

        monkeypatch.setattr(FileSystemStorage, "listdir", away)
        old = factories.run(State.SUCCEEDED, expires_at=clock.now() - timedelta(days=1))

        run = perform(CleanGPJobs, {})

        assert (run.result, run.warnings) == (
            {"runs": 1, "files": 0, "attachments": 0},
            ["files: Stale file handle.", "attachments: Stale file handle."],
        )
        assert not TaskStatus.objects.filter(pk=old.pk).exists()

    def test_is_swept_with_the_next_one(self, caller: Caller, file: str, file_store: Path) -> None:
        [stored] = files_in(file_store)
        age = (clock.now() - conf.EXPORTS_KEPT).timestamp() - 1
        os.utime(stored, (age, age))
        account_id = caller.actor.account.pk
        uploads.save(uploads.new_name(account_id), ContentFile(b"young"))

        uploads.sweep(account_id)

        [left] = files_in(file_store)
        assert left.read_bytes() == b"young"
