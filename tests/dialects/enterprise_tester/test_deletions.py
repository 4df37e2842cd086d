"""Projects and the organisation are deleted by tasks (section 2.8), and hidden at once."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers.testing import perform
from backgroundtasks.models import Account, TaskStatus
from backgroundtasks.states import State
from indexing import documents
from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import (
    AssignmentFactory,
    AutomatedTestFactory,
    NodeFactory,
    PackageFactory,
    ProjectFactory,
    RunFactory,
    send,
)
from tests.support.uploads import file_store, one_file
from tickets.handlers.delete_organisation import DeleteOrganisation
from tickets.handlers.delete_project import DeleteProject
from tickets.handlers.generate_test_project import GenerateTestProject
from tickets.models import AutomatedTestAssignment, Project, ResultNode

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

__all__ = ["file_store"]


@pytest.fixture
def caller() -> Caller:
    return Caller(factories.actor("admin"))


@pytest.fixture
def node(account: Account) -> ResultNode:
    """A node that can be found, in a run of the account's only project."""
    project = ProjectFactory.create(account=account, name="Billing")
    package = PackageFactory.create(project=project)
    test = AutomatedTestFactory.create(project=project, package=package)
    assignment = AssignmentFactory.create(automated_test=test, package=package)
    run = RunFactory.create(assignment=assignment)
    node = NodeFactory.create(run=run, name="refund", needs_attention=True)
    for row in (project, package, test, assignment, run, node):
        documents.index(type(row), [row.pk])
    return node


def project_of(node: ResultNode) -> Project:
    return node.run.assignment.automated_test.project


def answered(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.content
    return answer.json()


def message(answer: Any, status: int) -> str:
    text: str = answered(answer, status)["Message"]
    return text


def looks(node: ResultNode) -> dict[str, str]:
    """Return where each thing of the project is read."""
    run = node.run
    assignment = run.assignment
    return {
        "project": f"/api/project/{project_of(node).pk}",
        "package": f"/api/executionpackage/{assignment.package_id}",
        "children": f"/api/executionpackage/{assignment.package_id}/children",
        "test": f"/api/automatedtest/{assignment.automated_test_id}",
        "assignment": f"/api/automatedtestassignment/{assignment.pk}",
        "runs": f"/api/automatedtestassignment/{assignment.pk}/runs",
        "run": f"/api/automatedtestrun/{run.pk}",
        "nodes": f"/api/automatedtestrun/{run.pk}/nodes",
        "node": f"/api/automatedtestrun/{run.pk}/node/{node.pk}",
    }


COLLECTIONS = (
    "projects",
    "executionpackages",
    "automatedtests",
    "automatedtestassignments",
    "automatedtestruns",
)


def seen(caller: Caller, node: ResultNode) -> tuple[set[int], set[int], int, Any]:
    """Return the statuses of all looks, the totals of all lists, and what search finds and counts."""
    statuses = {caller.get(path).status_code for path in looks(node).values()}
    totals = {answered(caller.get(f"/api/{name}"), 200)["Total"] for name in COLLECTIONS}
    totals |= {
        answered(caller.get(f"/api/{name}?tql=Id+!%3D+'{uuid.uuid4()}'"), 200)["Total"]
        for name in COLLECTIONS[1:]
    }
    found = answered(caller.get("/api/search?tql=Project+%3D+Billing"), 200)["Total"]
    counts = answered(caller.get("/api/search?tql=GROUP+BY+EntityType+%7B+COUNT+%7D"), 200)
    return statuses, totals, found, counts["Results"]["GroupByEntityType"]


class TestDeleteProject:
    @pytest.mark.spec("enterprise_tester", "Project", "DELETE")
    def test_answers_202_with_the_task(self, caller: Caller, node: ResultNode) -> None:
        answer = caller.call("DELETE", f"/api/project/{project_of(node).pk}")

        found = answered(answer, 202)
        assert found["Id"].startswith("deleteproject-")
        assert answer["Location"] == found["Self"]
        assert found["Complete"] is False
        assert TaskStatus.objects.get().task.resource["name"] == "Billing"

    @pytest.mark.parametrize("name", ["ProjectId", "Id"])
    def test_starts_like_any_task(self, caller: Caller, node: ResultNode, name: str) -> None:
        caller.start("DeleteProject", **{name: str(project_of(node).pk)})

        assert caller.get(looks(node)["project"]).status_code == 404

    def test_hides_the_project_at_once_wherever_it_is_read(
        self, caller: Caller, node: ResultNode
    ) -> None:
        assert seen(caller, node)[:3] == ({200}, {1}, 6)

        caller.call("DELETE", f"/api/project/{project_of(node).pk}")

        assert seen(caller, node) == ({404}, {0}, 0, {})

    def test_leaves_nothing_when_it_is_done(self, caller: Caller, node: ResultNode) -> None:
        project = project_of(node)
        caller.call("DELETE", f"/api/project/{project.pk}")
        run = TaskStatus.objects.get()

        perform(DeleteProject, run.task.parameters, account_id=project.account_id, run_id=run.pk)

        TaskStatus.objects.update(state=State.SUCCEEDED)
        assert seen(caller, node) == ({404}, {0}, 0, {})
        assert not Project.objects.exists()

    def test_that_is_cancelled_shows_the_project_again(
        self, caller: Caller, node: ResultNode
    ) -> None:
        task = answered(caller.call("DELETE", f"/api/project/{project_of(node).pk}"), 202)

        assert caller.post(f"/api/backgroundtask/{task['Id']}/cancel").status_code == 200

        assert seen(caller, node)[:3] == ({200}, {1}, 6)
        # And can be deleted again.
        assert caller.call("DELETE", f"/api/project/{project_of(node).pk}").status_code == 202

    def test_frees_the_name_at_once(self, caller: Caller, node: ResultNode) -> None:
        caller.call("DELETE", f"/api/project/{project_of(node).pk}")

        assert caller.post("/api/projects", {"Name": "Billing"}).status_code == 201

    @pytest.mark.parametrize("way", ["new", "renamed", "sample"])
    def test_that_is_cancelled_brings_no_second_project_of_a_name_back(
        self, caller: Caller, node: ResultNode, way: str
    ) -> None:
        row = project_of(node)
        other = answered(caller.post("/api/projects", {"Name": "Orders"}), 201)
        task = answered(caller.call("DELETE", f"/api/project/{row.pk}"), 202)
        if way == "new":
            answered(caller.post("/api/projects", {"Name": "BILLING"}), 201)
        elif way == "renamed":
            answered(send(caller, "PUT", f"/api/project/{other['Id']}", {"Name": "billing"}), 200)
        else:
            sizes = {"Packages": 1, "AutomatedTests": 0, "Scripts": 0, "AgileRuns": 0}
            caller.start("GenerateTestProject", Name="Billing", Incidents=0, **sizes)
            # The one that deletes is queued before it, and cancelled before a worker sees it.
            perform(
                GenerateTestProject,
                TaskStatus.objects.get(task_type="GenerateTestProject").task.parameters,
                account_id=row.account_id,
            )

        answered(caller.post(f"/api/backgroundtask/{task['Id']}/cancel"), 200)

        back = answered(caller.get(f"/api/project/{row.pk}"), 200)
        assert back["Name"] == f"Billing (being deleted, {row.pk.hex[:8]})"
        names = [one["Name"].lower() for one in answered(caller.get("/api/projects"), 200)["Items"]]
        assert sorted(names) == sorted(set(names))
        found = caller.get("/api/search?tql=EntityType=Project+AND+Name+~+'being deleted'")
        assert answered(found, 200)["Total"] == 1
        refused = caller.post("/api/projects", {"Name": back["Name"].upper()})
        assert refused.status_code == 409

    def test_takes_nothing_new_into_a_project_on_its_way_out(
        self, caller: Caller, node: ResultNode
    ) -> None:
        project, assignment = project_of(node), AutomatedTestAssignment.objects.get()
        caller.call("DELETE", f"/api/project/{project.pk}")

        package = {"Name": "New", "ProjectId": str(project.pk)}
        assert message(caller.post("/api/executionpackages", package), 403) == (
            f"The project {project.pk} does not exist."
        )
        body, kind = one_file(b"<testsuite/>")
        path = f"/api/automatedtestassignment/{assignment.pk}/runs"
        assert caller.post(path, body, kind=kind).status_code == 404
        parameters = {"ProjectId": str(project.pk)}
        again = {"Type": "Reindex", "Parameters": parameters}
        assert message(caller.post("/api/backgroundtasks", again), 403) == (
            f"The project {project.pk} does not exist."
        )

    def test_answers_a_repetition_with_the_same_task(
        self, caller: Caller, node: ResultNode
    ) -> None:
        path = f"/api/project/{project_of(node).pk}"

        answers = [caller.call("DELETE", path, idempotency_key="one") for _ in range(2)]

        first, second = (answered(answer, 202)["Id"] for answer in answers)
        assert first == second
        assert TaskStatus.objects.count() == 1

    @pytest.mark.spec("enterprise_tester", "Project", "404")
    def test_answers_404_for_what_is_not_there(self, caller: Caller, node: ResultNode) -> None:
        foreign, unknown = ProjectFactory.create().pk, uuid.uuid4()
        caller.call("DELETE", f"/api/project/{project_of(node).pk}")

        for identity in (foreign, unknown, project_of(node).pk):
            answer = caller.call("DELETE", f"/api/project/{identity}")

            assert message(answer, 404) == f"The project {identity} does not exist."
        assert TaskStatus.objects.count() == 1
        assert Project.objects.filter(pk=foreign, hidden_by=None).exists()

    def test_takes_a_member(self, account: Account, node: ResultNode) -> None:
        viewer = Caller(factories.actor("viewer", account))
        path = f"/api/project/{project_of(node).pk}"

        assert "the role member" in message(viewer.call("DELETE", path), 403)
        start = {"Type": "DeleteProject", "Parameters": {"Id": str(project_of(node).pk)}}
        assert "the role member" in message(viewer.post("/api/backgroundtasks", start), 403)
        assert viewer.get(path).status_code == 200

    @pytest.mark.parametrize(
        "given, text",
        [
            ({}, "ProjectId: This field is required."),
            ({"ProjectId": None}, "ProjectId: This field is required."),
            ({"ProjectId": "x"}, "ProjectId: Must be a valid UUID."),
            (
                {"ProjectId": str(uuid.UUID(int=1)), "Id": str(uuid.UUID(int=2))},
                "Id: It is not the same as ProjectId.",
            ),
            (
                {"ProjectId": str(uuid.UUID(int=1))},
                f"The project {uuid.UUID(int=1)} does not exist.",
            ),
            ({"Name": "Billing"}, "Name: There is no parameter of this name."),
        ],
    )
    def test_refuses_what_names_no_project(
        self, caller: Caller, given: dict[str, Any], text: str
    ) -> None:
        answer = caller.post("/api/backgroundtasks", {"Type": "DeleteProject", "Parameters": given})

        assert text in message(answer, 403)
        assert not TaskStatus.objects.exists()

    def test_costs_readers_no_query(
        self, caller: Caller, node: ResultNode, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        caller.get("/api/projects")  # the credential is remembered from here on
        with django_assert_num_queries(2):
            caller.get("/api/projects")


class TestOrganisation:
    @pytest.mark.spec("enterprise_tester", "Organisation", "GET")
    def test_is_the_account(self, caller: Caller, account: Account) -> None:
        path = f"http://testserver/api/organisation/{account.pk}"

        for url in (path, "/api/organisation"):
            assert answered(caller.get(url), 200) == {
                "Id": str(account.pk),
                "Name": account.name,
                "Expands": [],
                "Self": path,
                "Links": [{"Href": "http://testserver/api/projects", "Rel": "Projects"}],
            }

    @pytest.mark.spec("enterprise_tester", "Organisation", "DELETE")
    def test_is_emptied_by_a_task_and_stays(
        self, caller: Caller, account: Account, node: ResultNode
    ) -> None:
        answer = caller.call("DELETE", f"/api/organisation/{account.pk}")

        found = answered(answer, 202)
        assert found["Id"].startswith("deleteorganisation-")
        assert answer["Location"] == found["Self"]
        assert seen(caller, node) == ({404}, {0}, 0, {})
        run = TaskStatus.objects.get()
        perform(DeleteOrganisation, run.task.parameters, account_id=account.pk, run_id=run.pk)
        assert not Project.objects.exists()
        assert caller.get(f"/api/organisation/{account.pk}").status_code == 200
        assert caller.get(found["Self"]).status_code == 200

    def test_stays_hidden_when_the_deletion_of_one_project_is_cancelled(
        self, caller: Caller, account: Account, node: ResultNode
    ) -> None:
        one = answered(caller.call("DELETE", f"/api/project/{project_of(node).pk}"), 202)
        caller.call("DELETE", f"/api/organisation/{account.pk}")

        caller.post(f"/api/backgroundtask/{one['Id']}/cancel")

        assert seen(caller, node) == ({404}, {0}, 0, {})

    @pytest.mark.spec("enterprise_tester", "Organisation", "404")
    def test_of_others_is_answered_404(self, caller: Caller, node: ResultNode) -> None:
        for identity in (factories.AccountFactory.create().pk, uuid.uuid4()):
            for method in ("GET", "DELETE"):
                answer = caller.call(method, f"/api/organisation/{identity}")

                assert message(answer, 404) == f"The organisation {identity} does not exist."
        assert seen(caller, node)[0] == {200}

    def test_is_deleted_by_an_administrator(self, account: Account, node: ResultNode) -> None:
        member = Caller(factories.actor("member", account))

        answer = member.call("DELETE", f"/api/organisation/{account.pk}")

        assert "the role admin" in message(answer, 403)
        assert seen(member, node)[0] == {200}

    @pytest.mark.parametrize("given", [{}, {"OrganisationId": "x"}, {"Id": str(uuid.uuid4())}])
    def test_refuses_what_names_another(self, caller: Caller, given: dict[str, Any]) -> None:
        start = {"Type": "DeleteOrganisation", "Parameters": given}

        assert message(caller.post("/api/backgroundtasks", start), 403)
        assert not TaskStatus.objects.exists()
