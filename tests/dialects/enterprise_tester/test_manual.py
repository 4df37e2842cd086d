"""Scripts, their assignments, runs and steps, and agile runs (sections 3.3 and 3.4)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.models import Account
from indexing import documents
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunFactory,
    AgileRunStepFactory,
    IncidentFactory,
    PackageFactory,
    ProjectFactory,
    ScriptAssignmentFactory,
    ScriptFactory,
    ScriptRunFactory,
    StepResultFactory,
    send,
)
from tickets.api import lookup
from tickets.api.manual import agile_runs
from tickets.models import (
    AgileRun,
    Incident,
    Project,
    Script,
    ScriptAssignment,
    ScriptRun,
    StepResult,
)

pytestmark = pytest.mark.django_db

HOST = "http://testserver"


@pytest.fixture
def assignment(project: Project) -> ScriptAssignment:
    return ScriptAssignmentFactory.create(script__project=project)


class TestScripts:
    def test_are_made_with_their_steps_and_read_again(
        self, caller: Caller, project: Project
    ) -> None:
        steps = [{"Description": "Open", "ExpectedResult": "It opens"}, {"Description": "Close"}]

        made = body(
            caller.post(
                "/api/scripts", {"Name": "Doors", "ProjectId": str(project.pk), "Steps": steps}
            ),
            201,
        )

        assert made["Version"] == 1
        assert [step["Description"] for step in made["Steps"]] == ["Open", "Close"]
        assert made["Steps"][0]["ExpectedResult"] == "It opens"
        assert made["Steps"][1]["OrderNumber"] == 1
        assert body(caller.get(made["Self"].removeprefix(HOST))) == made

    def test_another_set_of_steps_is_another_version(
        self, caller: Caller, project: Project
    ) -> None:
        script = ScriptFactory.create(project=project)
        path = f"/api/script/{script.pk}"

        assert body(send(caller, "PUT", path, {"Name": "Other"}))["Version"] == 1
        changed = body(send(caller, "PUT", path, {"Steps": [{"Description": "Knock"}]}))

        assert (changed["Version"], changed["Name"]) == (2, "Other")
        assert [step["Description"] for step in changed["Steps"]] == ["Knock"]

    @pytest.mark.parametrize(
        "sent, status, text",
        [
            ({"Steps": "none"}, 400, "The member Steps must be an array."),
            (
                {"Steps": [{"Description": 5}]},
                400,
                "The member Steps[0].Description must be a text.",
            ),
            ({"Name": ""}, 403, "Name: This field may not be blank."),
            ({"ProjectId": str(uuid.UUID(int=9))}, 403, "A script stays in its project."),
        ],
    )
    def test_what_is_not_valid_changes_nothing(
        self, caller: Caller, project: Project, sent: Any, status: int, text: str
    ) -> None:
        script = ScriptFactory.create(project=project)

        assert message(send(caller, "PUT", f"/api/script/{script.pk}", sent), status) == text
        assert Script.objects.get().steps == script.steps

    def test_go_with_their_assignments_and_runs(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        StepResultFactory.create(run__assignment=assignment)

        answer = caller.call("DELETE", f"/api/script/{assignment.script_id}")

        assert (answer.status_code, answer.content) == (200, b"")
        assert not ScriptAssignment.objects.exists()
        assert not StepResult.objects.exists()


class TestAssignments:
    def test_answer_as_the_contract_says(self, caller: Caller, project: Project) -> None:
        script = ScriptFactory.create(project=project)
        package = PackageFactory.create(project=project)

        answer = caller.post(
            "/api/scriptassignments", {"ScriptId": str(script.pk), "PackageId": str(package.pk)}
        )

        row = ScriptAssignment.objects.get()
        assert body(answer, 201) == {
            "Id": str(row.pk),
            "ScriptId": str(script.pk),
            "Name": script.name,
            "Status": "Not Run",
            "AssignedTo": None,
            "AssignedToId": None,
            "PackageId": str(package.pk),
            "Expands": ["Package", "Runs", "LastRun", "Script"],
            "Self": f"{HOST}/api/scriptassignment/{row.pk}",
            "Links": [
                {"Href": f"{HOST}/api/scriptassignment/{row.pk}/{rel.lower()}", "Rel": rel}
                for rel in ("Runs", "Relationships", "AllRelationships")
            ],
        }
        assert answer["Location"] == answer.json()["Self"]

    def test_of_a_script_are_listed_and_made_below_it(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        path = f"/api/script/{assignment.script_id}/assignments"
        package = PackageFactory.create(project=assignment.script.project)

        made = body(caller.post(path, {"PackageId": str(package.pk)}), 201)

        assert made["ScriptId"] == str(assignment.script_id)
        assert body(caller.get(path))["Total"] == 2

    def test_join_a_script_and_a_package_of_one_project_only(
        self, caller: Caller, account: Account, project: Project
    ) -> None:
        script = ScriptFactory.create(project=project)
        package = PackageFactory.create(project=ProjectFactory.create(account=account))
        sent = {"ScriptId": str(script.pk), "PackageId": str(package.pk)}

        refusal = message(caller.post("/api/scriptassignments", sent), 403)

        assert refusal == "The script and the execution package are of two projects."
        foreign = {"ScriptId": str(ScriptFactory.create().pk), "PackageId": str(package.pk)}
        assert "does not exist" in message(caller.post("/api/scriptassignments", foreign), 403)

    def test_cost_a_constant_number_of_queries_with_all_their_expansions(
        self, caller: Caller, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        path = "/api/scriptassignments?$expand=Package,Runs,LastRun,Script"
        ScriptRunFactory.create(assignment__script__project=project)
        caller.get(path)
        with django_assert_num_queries(5) as few:
            caller.get(path)
        ScriptRunFactory.create_batch(3, assignment__script__project=project)

        with django_assert_num_queries(len(few.captured_queries)):
            found = body(caller.get(path))

        assert len(found["Items"]) == 4
        assert found["Items"][0]["LastRun"]["Status"] == "Not Run"
        assert found["Items"][0]["Expands"] == []


class TestRuns:
    def test_begin_with_the_steps_of_the_script_and_once(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        path = f"/api/scriptassignment/{assignment.pk}/runs"

        first = body(caller.post(path), 201)
        again = body(caller.post(path), 200)

        assert again == first
        assert (first["Status"], first["Completed"]) == ("Not Run", False)
        steps = body(caller.get(f"/api/scriptrun/{first['Id']}?$expand=StepResults"))["StepResults"]
        assert [step["Description"] for step in steps] == ["open", "close"]
        assert {step["Outcome"] for step in steps} == {"NotRun"}
        assert body(caller.get(path))["Total"] == 1

    def test_are_completed_by_their_last_step_and_frozen_then(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        run = body(caller.post(f"/api/scriptassignment/{assignment.pk}/runs"), 201)
        path = f"/api/scriptrun/{run['Id']}"
        one, two = StepResult.objects.order_by("position")

        first = {"StepResults": [{"Id": str(one.pk), "Outcome": "passed"}]}
        under_way = body(send(caller, "PUT", path, first))
        second = {
            "StepResults": [{"Id": str(two.pk), "Outcome": "Failed", "ActualResult": "Stuck"}]
        }
        done = body(send(caller, "PUT", f"{path}?$expand=StepResults", second))

        assert (under_way["Status"], under_way["Completed"]) == ("In Progress", False)
        assert (done["Status"], done["Completed"]) == ("Failed", True)
        assert done["RunBy"] == caller.actor.user.username
        assert done["StepResults"][1]["ActualResult"] == "Stuck"
        refusal = message(send(caller, "PUT", path, first), 403)
        assert refusal == "The run is completed: its step results do not change any more."
        assert (
            body(send(caller, "PUT", path, {"ActualDuration": "00:10"}))["ActualDuration"]
            == "00:10"
        )
        assignment_now = body(caller.get(f"/api/scriptassignment/{assignment.pk}"))
        assert assignment_now["Status"] == "Failed"
        # The next one is another run.
        assert caller.post(f"/api/scriptassignment/{assignment.pk}/runs").status_code == 201

    def test_can_be_completed_after_a_failed_step(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        run = body(caller.post(f"/api/scriptassignment/{assignment.pk}/runs"), 201)
        path = f"/api/scriptrun/{run['Id']}"
        early = message(send(caller, "PUT", path, {"AttemptToComplete": True}), 403)
        step = StepResult.objects.get(position=0)
        sent = {
            "AttemptToComplete": True,
            "StepResults": [{"Id": str(step.pk), "Outcome": "Failed"}],
        }

        done = body(send(caller, "PUT", path, sent))

        assert early == "No step was run: there is nothing to complete."
        assert (done["Status"], done["Completed"]) == ("Failed", True)

    def test_take_no_step_of_another_run_and_no_other_word(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        own = StepResultFactory.create(run__assignment=assignment)
        other = StepResultFactory.create()
        path = f"/api/scriptrun/{own.run_id}"

        foreign = {
            "StepResults": [
                {"Id": str(own.pk), "Outcome": "Passed"},
                {"Id": str(other.pk), "Outcome": "Passed"},
            ]
        }
        assert f"no step result {other.pk}" in message(send(caller, "PUT", path, foreign), 403)
        unheard = {"StepResults": [{"Id": str(own.pk), "Outcome": "Splendid"}]}
        assert "Splendid" in message(send(caller, "PUT", path, unheard), 403)
        own.refresh_from_db()
        assert own.outcome == "NotRun"

    def test_a_patch_changes_the_duration_and_answers_204(
        self, caller: Caller, assignment: ScriptAssignment
    ) -> None:
        run = ScriptRunFactory.create(assignment=assignment)

        answer = send(caller, "PATCH", f"/api/scriptrun/{run.pk}", {"actualDuration": "1 h"})

        assert (answer.status_code, answer.content) == (204, b"")
        assert ScriptRun.objects.get().actual_duration == "1 h"

    def test_are_found_by_tql(self, caller: Caller, assignment: ScriptAssignment) -> None:
        run = body(caller.post(f"/api/scriptassignment/{assignment.pk}/runs"), 201)
        steps = StepResult.objects.values_list("pk", flat=True)
        results = [{"Id": str(pk), "Outcome": "Blocked"} for pk in steps]
        send(caller, "PUT", f"/api/scriptrun/{run['Id']}", {"StepResults": results})

        found = body(caller.get("/api/scriptruns?tql=Status%20%3D%20Blocked"))

        assert [item["Id"] for item in found["Items"]] == [run["Id"]]
        names = body(caller.get(f"/api/search?tql=Name%20~%20'{assignment.script.name}'"))
        assert {item["EntityType"] for item in names["Items"]} >= {"ScriptRun"}

    def test_of_others_are_not_there(self, caller: Caller) -> None:
        step = StepResultFactory.create()

        for path in (
            f"/api/script/{step.run.assignment.script_id}",
            f"/api/scriptassignment/{step.run.assignment_id}",
            f"/api/scriptassignment/{step.run.assignment_id}/runs",
            f"/api/scriptrun/{step.run_id}",
            f"/api/stepresult/{step.pk}",
            f"/api/stepresult/{step.pk}/incidents",
        ):
            assert message(caller.get(path), 404).endswith("does not exist."), path


def test_a_step_result_is_shown_with_its_run_and_incidents(
    caller: Caller, assignment: ScriptAssignment
) -> None:
    step = StepResultFactory.create(run__assignment=assignment, outcome="Failed")
    incident = IncidentFactory.create(project=assignment.script.project)
    path = f"/api/stepresult/{step.pk}"
    assert caller.post(f"{path}/incidents", {"IncidentId": str(incident.pk)}).status_code == 201

    found = body(caller.get(f"{path}?$expand=Run,Incidents"))

    assert (found["Outcome"], found["HasIncidents"]) == ("Failed", True)
    assert found["Run"]["Id"] == found["RunId"] == str(step.run_id)
    assert [row["IncidentId"] for row in found["Incidents"]] == [str(incident.pk)]


class TestAgileRuns:
    def test_are_made_with_steps_and_numbered_in_their_project(
        self, caller: Caller, project: Project
    ) -> None:
        package = PackageFactory.create(project=project)
        sent = {
            "Name": "Explore",
            "PackageId": str(package.pk),
            "Steps": [{"Description": "Look", "Result": "Passed"}, {"Result": "Failed"}],
        }

        first = body(caller.post("/api/agileruns?$expand=Steps,Status,Priority,Type", sent), 201)
        second = body(caller.post("/api/agileruns", {**sent, "Steps": None}), 201)

        assert (first["Number"], second["Number"]) == (1, 2)
        assert (first["ExecutionStatus"], second["ExecutionStatus"]) == ("Failed", "Not Run")
        assert [step["Result"] for step in first["Steps"]] == ["Passed", "Failed"]
        assert first["Status"] == {
            "Id": first["StatusId"],
            "Text": "Draft",
            "SortOrder": 0,
            "IsEnable": True,
            "Name": "Draft",
            "OrderNumber": 0,
            "ProjectId": str(project.pk),
        }
        assert (first["ProjectName"], first["PackageName"]) == (project.name, package.name)

    @pytest.mark.parametrize("package_id", [None, str(uuid.UUID(int=0)), str(uuid.UUID(int=7)), ""])
    def test_answer_403_without_a_package(self, caller: Caller, package_id: str | None) -> None:
        sent = {"Name": "Explore", **({} if package_id is None else {"PackageId": package_id})}

        assert "ackage" in message(caller.post("/api/agileruns", sent), 403)
        assert not AgileRun.objects.exists()

    def test_a_put_changes_adds_and_removes_steps(self, caller: Caller, project: Project) -> None:
        run = AgileRunFactory.create(package__project=project)
        kept, gone = AgileRunStepFactory.create_batch(2, run=run)
        sent = {"Steps": [{"Description": "New"}, {"Id": str(kept.pk), "Result": "passed"}]}

        found = body(send(caller, "PUT", f"/api/agilerun/{run.pk}?$expand=Steps", sent))

        assert [(step["Description"], step["Result"]) for step in found["Steps"]] == [
            ("New", "NotRun"),
            (kept.description, "Passed"),
        ]
        assert found["ExecutionStatus"] == "In Progress"
        assert str(gone.pk) not in {step["Id"] for step in found["Steps"]}
        # What typed clients send for "nothing" leaves the steps alone.
        again = body(send(caller, "PUT", f"/api/agilerun/{run.pk}?$expand=Steps", {"Steps": []}))
        assert again["Steps"] == found["Steps"]

    def test_search_forgets_what_incidents_a_removed_step_had(
        self, caller: Caller, project: Project
    ) -> None:
        run = AgileRunFactory.create(package__project=project)
        kept, gone = AgileRunStepFactory.create_batch(2, run=run)
        incident = IncidentFactory.create(project=project)
        documents.index(AgileRun, [run.pk])
        documents.index(Incident, [incident.pk])
        path = f"/api/agilerun/{run.pk}/step/{gone.pk}/incidents"
        caller.post(path, {"IncidentId": str(incident.pk)})
        search = "/api/incidents?tql=Relationships IN { RelatedToEntityType = AgileRun }"
        before = body(caller.get(search))["Total"]

        send(caller, "PUT", f"/api/agilerun/{run.pk}", {"Steps": [{"Id": str(kept.pk)}]})

        assert (before, body(caller.get(search))["Total"]) == (1, 0)

    def test_refuse_steps_of_others(self, caller: Caller, project: Project) -> None:
        run = AgileRunFactory.create(package__project=project)
        other = AgileRunStepFactory.create()

        answer = send(caller, "PUT", f"/api/agilerun/{run.pk}", {"Steps": [{"Id": str(other.pk)}]})

        assert message(answer, 403) == f"Steps: The agile run has no step {other.pk}."

    def test_of_a_page_are_found_in_their_order_by_an_index(
        self, caller: Caller, project: Project
    ) -> None:
        package = PackageFactory.create(project=project)
        AgileRun.objects.bulk_create(
            AgileRun(
                account=project.account,
                project=project,
                package=package,
                number=number,
                name=f"Run {number}",
                order_number=number % 7,
            )
            for number in range(1, 2_001)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        rows = lookup.agile_runs(caller.actor).order_by(*agile_runs.ORDER, "pk")

        plan = rows[:25].explain()

        assert "agile_run_by_order" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan

    def test_go_with_their_steps(self, caller: Caller, project: Project) -> None:
        step = AgileRunStepFactory.create(run__package__project=project)

        assert caller.call("DELETE", f"/api/agilerun/{step.run_id}").status_code == 200

        assert caller.get(f"/api/agilerun/{step.run_id}").status_code == 404
        assert not AgileRun.objects.exists()


def test_packages_show_what_is_in_them(caller: Caller, assignment: ScriptAssignment) -> None:
    AgileRunFactory.create(package=assignment.package)

    found = body(
        caller.get(
            f"/api/executionpackage/{assignment.package_id}?$expand=ScriptAssignments,AgileRuns"
        )
    )

    assert [row["Id"] for row in found["ScriptAssignments"]] == [str(assignment.pk)]
    assert len(found["AgileRuns"]) == 1
